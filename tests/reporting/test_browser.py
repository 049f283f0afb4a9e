"""Reports in a browser: what its first screen shows, errors of its scripts, and accessibility."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, sync_playwright

from agbench.core.workspace import Workspace
from agbench.studies.study import STUDIES, Study, at_levels
from tests.reporting import made
from tests.reporting.conftest import report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SMALL = made.SIZES[0]
LEVELS = (1.0, 0.5, 0.3)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def one_model(store):
    return [made.condition("birds", SMALL, level) for level in LEVELS]


def many_models(store):
    return list(made.all_studies("birds", (0, 1)))


def failed_trials(store):
    made.fail(store, made.condition("birds", "tabular:dct", 0.3))
    return one_model(store)


def two_codecs(store):
    return [
        *one_model(store),
        *(made.condition("birds", SMALL, level, codec="webp") for level in LEVELS[1:]),
    ]


def nothing_compared(store):
    return [made.condition("birds", SMALL, 0.3)]


def groups_unknown(store):
    results = [made.result(one, made.share_of(one)) for one in one_model(store)]
    unknown = {"by": "", "count": 200, "relatives": None, "withheld": None}
    made.sweep(store, "one", [replace(one, dataset={**one.dataset, "groups": unknown}) for one in results])
    return []


def own_study(store):
    return [made.condition("birds", "tabular:dct", level) for level in LEVELS]


OWN = Study("a question of our own", ("tabular:dct",), at_levels(*LEVELS), section="A question of our own")
KINDS = (one_model, many_models, groups_unknown, failed_trials, own_study, two_codecs, nothing_compared)


@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_is_on_the_first_screen_and_nothing_is_wrong(kind, browser, tmp_path, monkeypatch):
    if kind is own_study:
        monkeypatch.setitem(STUDIES, "own", OWN)
    workspace = Workspace(tmp_path)
    store = made.fill(workspace.results, [])
    made.fill(workspace.results, kind(store))
    address = (report(workspace, "html") / "report.html").resolve().as_uri()
    for width, height in ((1280, 800), (390, 844)):
        page = browser.new_page(viewport={"width": width, "height": height})
        errors: list[str] = []
        page.on("console", lambda message, to=errors: to.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error, to=errors: to.append(str(error)))
        page.goto(address)
        charts = page.locator(".chart").count()
        page.wait_for_function(f"document.querySelectorAll('.chart .main-svg').length >= {charts}")
        box = page.locator(".answer").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= height
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert errors == []
        serious = [
            one for one in Axe().run(page).response["violations"] if one["impact"] in ("serious", "critical")
        ]
        assert [one["id"] for one in serious] == []
        page.close()
