from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from agbench.core.errors import UserError
from agbench.data import groups
from agbench.data.catalogue import Catalogue
from agbench.data.dataset import MARKER, are_related, load_prepared, with_relatives
from agbench.data.groups import Relatives
from agbench.data.prepare import look_once
from agbench.data.selection import ImageSelection


def test_a_pattern_groups_by_what_is_in_its_parentheses_or_by_its_match():
    ids = pd.Series(["a/p1_x.png", "b/p1_y.png", "b/p2_x.png"])
    assert groups.named(ids, r"p(\d)_(.)").tolist() == ["1\tx", "1\ty", "2\tx"]
    assert groups.named(ids, r"p\d").tolist() == ["p1", "p1", "p2"]
    assert groups.named(ids, r"^(.)/|nothing").tolist() == ["a", "b", "b"]


def test_an_image_without_a_match_is_named():
    with pytest.raises(UserError, match=r"'p\(\\d\)' matches nothing in 'a/q.png'"):
        groups.named(pd.Series(["a/p1.png", "a/q.png"]), r"p(\d)")


@given(st.lists(st.tuples(st.sampled_from("pqrst"), st.integers(0, 6)), min_size=1, max_size=40))
def test_images_of_one_name_or_content_are_in_one_group_and_no_others(rows):
    names = pd.Series([name for name, _ in rows])
    contents = pd.Series([str(content) for _, content in rows])
    found = groups.joined(names, contents)
    for column in (names, contents):
        assert (found.groupby(column).nunique() == 1).all()
    # What is in one group is connected by names and contents.
    for _, places in found.groupby(found).groups.items():
        reached = {places[0]}
        for _ in rows:
            near = names.isin(names[list(reached)]) | contents.isin(contents[list(reached)])
            reached |= set(names.index[near])
        assert reached == set(places)


def test_what_is_found_is_said_with_the_option_that_names_it():
    ids = [f"class {number % 2}/photo{number}_crop{crop}.png" for number in range(10) for crop in range(5)]
    found = Relatives.among(ids, [[5 * number, 5 * number + 1, 5 * number + 2] for number in range(10)])
    assert (found.images, found.related, found.groups, found.pattern) == (50, 30, 10, "(.*)_crop")
    assert found.size == pytest.approx((20 + 10 * 9) / 50)
    assert found.matters
    assert "30 of 50 images are much like others, such as 'class 0/photo0_crop0.png'" in found.text("photos")
    assert "--dataset photos --group-by '(.*)_crop'` (10 groups)" in found.text("photos")
    assert groups.named(pd.Series(ids), found.pattern).nunique() == 10


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("{label}/clip{group}-frame{number:04d}.jpg", 12),
        ("{label}/{group}_{number}.jpg", 12),
        ("{label}/scene{group}.cam-{letter}.png", 12),
        ("{label}/{letter}{group}.png", 0),
    ],
)
def test_a_pattern_is_suggested_where_paths_tell_groups(name, count):
    fill = [(group, number) for group in range(12) for number in range(4)]
    ids = [
        name.format(label=group % 2, group=group, number=number, letter="abcd"[number]) for group, number in fill
    ]
    found = Relatives.among(ids, [[4 * group, 4 * group + 1, 4 * group + 3] for group in range(12)])
    assert found.groups == count
    if count:
        assert groups.named(pd.Series(ids), found.pattern).nunique() == count
    else:
        assert "--group-by PATTERN" in found.text("photos")


def test_a_pattern_that_does_not_fit_all_images_is_not_suggested():
    ids = [f"a/clip{clip}_frame{number:04d}.png" for clip in range(12) for number in range(4)]
    found = [[4 * clip, 4 * clip + 1] for clip in range(12)]
    assert Relatives.among(ids, found).pattern == "(.*)_frame"
    other = Relatives.among(ids, found, 49, ["a/clip3 (copy).png"])
    assert other.pattern
    assert groups.named(pd.Series([*ids, "a/clip3 (copy).png"]), other.pattern).nunique() == 12
    assert Relatives.among(ids, found, 49, ["a/title.png"]).pattern == ""


def test_copies_beside_their_originals_are_named():
    ids = [f"a/photo{number}{end}" for number in range(12) for end in (".jpg", "_small.jpg", " (1).jpg")]
    found = Relatives.among(ids, [[3 * number, 3 * number + 1] for number in range(12)])
    assert found.groups == 12
    assert groups.named(pd.Series(ids), found.pattern).nunique() == 12


def test_names_with_counters_alone_are_no_groups():
    ids = [f"{label}/{label}_{number:04d}.jpg" for label in ("cat", "dog") for number in range(40)]
    found = Relatives.among(ids, [[0, 1], [50, 60]])
    assert found.pattern == "", "it would tell no more than the folder"
    assert not found.matters
    assert (
        found.text("photos")
        == "4 of 80 images are much like others, such as 'cat/cat_0000.jpg' and 'cat/cat_0001.jpg'"
    )
    assert Relatives.among(ids, []).text("photos") == ""


def test_few_images_are_not_looked_at_and_nothing_is_said_of_them():
    assert Relatives(0).matters
    assert "too few" in Relatives(0).text("photos")


@pytest.fixture
def photos(tmp_path):
    """Two classes of 24 images, six photographs each, and a table that says so."""
    lines = ["file,kind,patient"]
    generator = np.random.default_rng(0)
    for label in ("cat", "dog"):
        for number in range(24):
            path = tmp_path / "photos" / label / f"photo{number // 4}_{number % 4}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
            lines.append(f"photos/{label}/{path.name},{label},{label} {number // 4}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    return tmp_path / "photos"


def chosen(photos, datasets, **options):
    return ImageSelection(folder=photos, **options).spec(datasets)


def whole(dataset):
    return (dataset.index.groupby("group")["split"].nunique() == 1).all()


def test_a_pattern_keeps_groups_whole_in_the_split(photos, tmp_path, prepared):
    plain = prepared(chosen(photos, tmp_path / "plain"), tmp_path / "plain")
    assert plain.index["group"].tolist() == plain.index["sha256"].tolist()
    grouped = prepared(chosen(photos, tmp_path / "ours", group_by=r"(.*)_"), tmp_path / "ours")
    assert grouped.index["group"].nunique() == 12
    assert whole(grouped)
    assert grouped.fingerprint != plain.fingerprint
    assert grouped.parts == {"train": 32, "test": 8, "validation": 8}
    (said,) = grouped.remarks()
    assert said.startswith("12 groups of images, by pattern '(.*)_'")
    assert grouped.facts()["groups"] == {
        "by": "pattern '(.*)_'",
        "count": 12,
        "relatives": None,
        "withheld": False,
    }


def test_a_column_names_groups(photos, tmp_path, prepared):
    selection = ImageSelection(
        table=photos.parent / "labels.csv", image_column="file", label_column="kind", group_column="patient"
    )
    grouped = prepared(selection.spec(tmp_path))
    assert sorted(grouped.index["group"].unique()) == sorted(
        f"{one} {n}" for one in ("cat", "dog") for n in range(6)
    )
    assert whole(grouped)
    assert grouped.remarks() == [
        "12 groups of images, by column 'patient'; each is whole in split and folds, and intervals count groups"
    ]


def test_a_column_that_is_not_used_is_said_with_the_option(photos, tmp_path, prepared):
    selection = ImageSelection(table=photos.parent / "labels.csv", image_column="file", label_column="kind")
    (said,) = prepared(selection.spec(tmp_path)).remarks()
    assert said.startswith("columns of its table that are not used: 'patient'")
    assert "--group-column names one whose images belong together" in said


def test_folders_can_be_groups(photos, tmp_path, prepared):
    for path in sorted(photos.rglob("*.png")):
        place = path.parent / path.stem.split("_")[0] / path.name
        place.parent.mkdir(exist_ok=True)
        path.rename(place)
    grouped = prepared(chosen(photos, tmp_path / "ours", group_by="folder"), tmp_path / "ours")
    assert grouped.index["group"].nunique() == 12


def test_a_class_with_too_few_groups_is_refused_as_such(photos, tmp_path, prepared):
    with pytest.raises(
        UserError, match="too few groups of images for train, test and validation in 2 of 2 classes"
    ):
        prepared(chosen(photos, tmp_path / "ours", group_by="folder"), tmp_path / "ours")


def test_copies_join_groups(photos, tmp_path, prepared):
    (photos / "cat" / "photo0_0.png").write_bytes((photos / "cat" / "photo1_3.png").read_bytes())
    grouped = prepared(chosen(photos, tmp_path / "ours", group_by=r"(.*)_"), tmp_path / "ours")
    assert grouped.index["group"].nunique() == 11
    assert whole(grouped)


def test_independent_images_need_no_new_preparation(photos, tmp_path, prepared):
    datasets = tmp_path / "ours"
    plain = with_relatives(prepared(chosen(photos, datasets), datasets), Relatives(48, 48, 40, 4.0, ("a", "b")))
    assert plain.is_withheld
    assert load_prepared("photos", datasets).relatives == plain.relatives
    assert are_related("photos", plain.fingerprint, datasets) is True
    said = prepared(chosen(photos, datasets, independent=True), datasets)
    assert said.fingerprint == plain.fingerprint
    assert not said.is_withheld
    assert said.remarks() == ["its images are taken for independent of each other"]
    assert not prepared("photos", datasets).is_withheld, "it is remembered"
    assert are_related("photos", plain.fingerprint, datasets) is False
    assert are_related("photos", "another", datasets) is None
    assert prepared("photos", datasets).grouped_by == "image"
    with pytest.raises(UserError, match="prepared already, with groups by image: `agbench prepare --fresh"):
        prepared(chosen(photos, datasets, group_by="(.*)_"), datasets, is_grouped=True)


def test_other_groups_are_another_preparation(photos, tmp_path, prepared):
    datasets = tmp_path / "ours"
    prepared(chosen(photos, datasets), datasets)
    spec = chosen(photos, datasets, group_by="(.*)_")
    with pytest.raises(
        UserError,
        match=r"with no groups: `agbench prepare --fresh --dataset photos --group-by '\(.\*\)_'` prepares it anew",
    ):
        prepared(spec, datasets, is_grouped=True)
    assert prepared(spec, datasets, fresh=True, is_grouped=True).grouped_by == "pattern '(.*)_'"
    assert prepared("photos", datasets).grouped_by == "pattern '(.*)_'", "nothing said is what was said before"


def test_preparing_anew_keeps_the_groups_that_were_named(photos, tmp_path, prepared):
    datasets = tmp_path / "ours"
    prepared(chosen(photos, datasets), datasets)
    grouped = prepared(chosen(photos, datasets, group_by="(.*)_"), datasets, fresh=True, is_grouped=True)
    for known in ("photos", chosen(photos, datasets)):
        again = prepared(known, datasets, fresh=True)
        assert (again.grouped_by, again.fingerprint) == (grouped.grouped_by, grouped.fingerprint)
    said = prepared(chosen(photos, datasets, independent=True), datasets, fresh=True, is_grouped=True)
    assert said.grouped_by == "image"
    assert prepared("photos", datasets, fresh=True).grouped_by == "image"


def test_another_rule_than_a_cards_stays(tmp_path, prepared):
    spec = ImageSelection(dataset="digits", group_by="digit_(...)").spec(tmp_path)
    grouped = prepared(spec, fresh=True, is_grouped=True)
    assert grouped.index["group"].nunique() == 180
    assert prepared("digits").grouped_by == "pattern 'digit_(...)'", "its card says that they are independent"


def test_a_rule_that_gives_each_image_its_own_group_is_refused(photos, tmp_path, prepared):
    with pytest.raises(UserError, match="hold one image each"):
        prepared(chosen(photos, tmp_path / "ours", group_by=r"(.*)\.png"), tmp_path / "ours")


def test_what_can_not_be_read_joins_no_groups(photos, tmp_path, prepared):
    (photos / "cat" / "photo0_0.png").unlink()
    (photos / "dog" / "photo5_3.png").unlink()
    selection = ImageSelection(
        table=photos.parent / "labels.csv", image_column="file", label_column="kind", group_column="patient"
    )
    grouped = prepared(selection.spec(tmp_path))
    assert len(grouped.quarantined) == 2
    assert grouped.index["group"].nunique() == 12


def test_a_name_that_is_not_utf8_is_left_out_of_groups_too(photos, tmp_path, prepared):
    source = photos / "cat" / "photo0_0.png"
    (photos / "cat" / os.fsdecode(b"photo0_caf\xe9.png")).write_bytes(source.read_bytes())
    grouped = prepared(chosen(photos, tmp_path / "ours", group_by="(.*)_"), tmp_path / "ours")
    assert len(grouped.quarantined) == 1
    assert grouped.index["group"].nunique() == 12


def test_relatives_of_other_images_are_not_believed(photos, tmp_path, prepared):
    datasets = tmp_path / "ours"
    dataset = with_relatives(prepared(chosen(photos, datasets), datasets), Relatives(48, 48))
    found = json.loads((dataset.folder / "relatives.json").read_text())
    (dataset.folder / "relatives.json").write_text(json.dumps(found | {"fingerprint": "of others"}))
    assert load_prepared("photos", datasets).relatives is None


def test_of_two_processes_one_looks_and_the_other_waits_for_it(photos, tmp_path, prepared):
    datasets = tmp_path / "ours"
    dataset = prepared(chosen(photos, datasets), datasets)
    began, go, looks, waited = threading.Event(), threading.Event(), [], threading.Event()

    def look():
        looks.append(1)
        began.set()
        go.wait(60)
        return Relatives(48, 48, 40, 4.0, ("a", "b"))

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(look_once, dataset, datasets, look)
        began.wait(60)
        second = pool.submit(look_once, dataset, datasets, look, lambda step: waited.set())
        assert waited.wait(60)
        go.set()
        assert first.result() == second.result()
    assert (len(looks), first.result().is_withheld) == (1, True)


def test_what_is_found_of_images_that_were_prepared_anew_is_not_kept(photos, tmp_path, prepared):
    datasets = tmp_path / "ours"
    before = prepared(chosen(photos, datasets), datasets)
    (photos / "cat" / "photo0_0.png").unlink()
    after = look_once(
        prepared(chosen(photos, datasets), datasets, fresh=True), datasets, lambda: Relatives(47, 47)
    )
    with pytest.raises(UserError, match="another process has prepared photos anew"):
        look_once(before, datasets, lambda: Relatives(48, 48, 40, 4.0, ("a", "b")))
    assert load_prepared("photos", datasets).relatives == after.relatives == Relatives(47, 47)


def test_a_part_that_was_looked_at_is_said():
    assert Relatives(5000, 20_000).text("photos") == (
        "5,000 of 20,000 images were looked at, and none of them is much like others"
    )
    found = Relatives(5000, 20_000, 40, 1.001, ("a", "b"))
    assert found.text("photos") == (
        "5,000 of 20,000 images were looked at, and 40 of them are much like others, such as 'a' and 'b'"
    )


def test_a_data_set_of_before_groups_is_read(photos, tmp_path, prepared):
    dataset = prepared(chosen(photos, tmp_path / "ours"), tmp_path / "ours")
    marker = json.loads((dataset.folder / MARKER).read_text())
    del marker["groups"]
    (dataset.folder / MARKER).write_text(json.dumps(marker))
    index = pd.read_parquet(dataset.folder / "index.parquet").drop(columns="group")
    index.to_parquet(dataset.folder / "index.parquet")
    before = load_prepared("photos", tmp_path / "ours")
    assert before.index["group"].tolist() == dataset.index["group"].tolist()
    assert (before.grouped_by, before.relatives) == ("", None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"group_by": "("}, "is neither folder nor a regular expression"),
        ({"group_by": ""}, "--group-by is empty"),
        ({"group_by": "a", "independent": True}, "give one of"),
        ({"group_column": "patient"}, "--group-column is for a table"),
    ],
)
def test_wrong_choices_are_refused(photos, tmp_path, options, said):
    with pytest.raises(UserError, match=said):
        chosen(photos, tmp_path, **options)


def test_a_card_can_name_groups(tmp_path):
    text = "title: Mine\nlayout: digits\nlicence: x\ncitation: y\ngroup_by: '{}'\n"
    (tmp_path / "mine.yaml").write_text(text.format("digit_(..)"))
    assert Catalogue(tmp_path).card("mine").groups == "pattern 'digit_(..)'"
    (tmp_path / "mine.yaml").write_text(text.format("("))
    with pytest.raises(UserError, match="group_by is folder, image, or a regular expression"):
        Catalogue(tmp_path).card("mine")


@pytest.mark.parametrize("name", ["patches", "digits"])
def test_bundled_cards_say_what_their_images_are(name):
    card = Catalogue(Path("nowhere")).card(name)
    assert card.groups == "image"
    assert "independent" in card.note
