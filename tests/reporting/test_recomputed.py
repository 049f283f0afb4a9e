"""Every number of a report, from the stored predictions by other code than the report's."""

from __future__ import annotations

import csv
import json
import math
import re
from functools import cache
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import bisect, brentq
from scipy.stats import gamma, norm, t
from sklearn import metrics as sklearn
from sklearn.isotonic import IsotonicRegression
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from agbench.analysis.gather import gather
from agbench.core.workspace import Workspace
from agbench.reporting.answer import answer_of
from agbench.reporting.figures import charts
from agbench.reporting.figures.strip import strip
from agbench.reporting.tables import table
from agbench.store.reader import read_records
from tests.reporting import made
from tests.reporting.conftest import report

MARGIN = 0.01
PAPER = {"original": (0.9617, 0.5), "small": "automm:efficientnet_b0", "large": "automm:efficientnet_b4"}


@pytest.fixture(scope="module", params=["made", "run"])
def reported(request, tmp_path_factory):
    """A folder with a report and the store it is of: all studies, made up; and what a sweep really ran."""
    workspace = request.getfixturevalue("all_studies" if request.param == "made" else "swept")
    shared = getattr(workspace, "workspace", workspace)
    # Reports of its own: another of pytest's processes may read, or replace, the shared ones.
    own = Workspace(tmp_path_factory.mktemp("own"))
    own.results.symlink_to(shared.results, target_is_directory=True)
    return report(own), Stored(own.results)


class Stored:
    """Finished trials, read with MLflow and pandas."""

    def __init__(self, results: Path) -> None:
        client = mlflow.MlflowClient(f"sqlite:///{results / 'agbench.db'}")
        runs = [run for one in client.search_experiments() for run in client.search_runs([one.experiment_id])]
        self.trials, self.predictions, self.shares = [], {}, {}
        self.artifacts = results / "artifacts"
        for run in runs:
            if run.info.status == "FINISHED":
                condition = json.loads(run.data.tags["agbench.condition"])
                predictions = pd.read_parquet(
                    results / "artifacts" / run.info.run_id / "artifacts" / "predictions.parquet"
                ).sort_values("image_id")
                curve = [one.value for one in client.get_metric_history(run.info.run_id, "validation_accuracy")]
                right = (predictions.label == predictions.predicted).to_numpy()
                self.trials.append((condition, right, curve, run))
                self.predictions[run.info.run_id] = predictions
                kept = np.load(results / "artifacts" / run.info.run_id / "artifacts" / "probabilities.npz")
                shares = pd.DataFrame(kept["values"].astype(float), columns=kept["classes"]).loc[predictions.index]
                self.shares[run.info.run_id] = shares.div(shares.sum(axis=1), axis=0)

    def find(self, model, train, test=None, noise=None):
        """Trials of a cell, as (right, curve, run), in the order of seeds."""
        found = [
            (condition["seed"], right, curve, run)
            for condition, right, curve, run in self.trials
            if condition["model"] == model
            and condition["train"] == images(train, noise)
            and condition.get("test") == (None if test in (None, train) else images(test))
        ]
        return [rest for _, *rest in sorted(found, key=lambda one: one[0])]

    def right(self, *cell, **more):
        return np.array([right for right, *_ in self.find(*cell, **more)])


def images(level, noise=None):
    codec = {} if level == 1 else {"codec": "jpeg", "quality": round(100 * level)}
    return codec | ({} if noise is None else {"noise": noise})


def wilson(right, number, one_sided=0.025):
    return proportion_confint(right, number, alpha=2 * one_sided, method="wilson")


def score(gained, lost, number, difference):
    """Tango's score, its most likely share of lost images found among the roots of the likelihood's derivative."""
    middle = gained + lost - difference * (2 * number - gained + lost)
    share = max(np.roots([2 * number, -middle, -lost * difference * (1 - difference)]).real)
    variance = (2 * share + difference - difference**2) / number
    return ((gained - lost) / number - difference) / math.sqrt(max(variance, 1e-300))


def pooled(stored, model):
    """Variance and degrees of freedom of the differences over seeds at each of a model's levels of JPEG."""
    base = stored.right(model, 1.0)
    levels = [level for level in (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1) if stored.right(model, level).size]
    if len(base) < 2:
        return dict.fromkeys(levels)
    return spreads_of({level: stored.right(model, level).mean(axis=1) - base.mean(axis=1) for level in levels})


def spreads_of(differences):
    """Variance and degrees of freedom of differences over seeds, by level from high to low."""
    levels, seeds = [*differences], len(next(iter(differences.values())))
    found = [np.var(one, ddof=1) for one in differences.values()]
    rising = IsotonicRegression().fit_transform(range(len(found)), found)
    spreads = {}
    for level, own in zip(levels, rising, strict=True):
        alike = int(np.isclose(rising, own, rtol=1e-9, atol=0).sum()) if own > np.mean(found) else len(levels)
        spreads[level] = max(np.mean(found), own), (seeds - 1) * alike / (1 + 0.25 * (alike - 1))
    return spreads


def interval(ours, base, one_sided=0.025, spread=None):
    """Tango's score interval on the mean table, with Student's over seeds: (difference, low, high)."""
    number = ours.shape[1]
    gained, lost = (float(cell.sum(axis=1).mean()) for cell in (ours & ~base, ~ours & base))
    value, z = (gained - lost) / number, norm.isf(one_sided)
    low = bisect(lambda d: score(gained, lost, number, d) - z, -1, value, xtol=1e-13) if value > -1 else -1
    high = bisect(lambda d: score(gained, lost, number, d) + z, value, 1, xtol=1e-13) if value < 1 else 1
    seeds = ours.mean(axis=1) - base.mean(axis=1)
    clusters = 0.0
    if len(seeds) > 1:
        variance, freedom = spread or (np.var(seeds, ddof=1), len(seeds) - 1)
        clusters = t.isf(one_sided, freedom) ** 2 * variance / len(seeds)
    value = seeds.mean()
    return value, value - math.hypot(value - low, clusters**0.5), value + math.hypot(high - value, clusters**0.5)


@cache
def _root(key, spread):
    ours, base = (np.array(one) for one in key)
    end = 1 if interval(ours, base)[0] > -MARGIN else 2
    level = brentq(lambda alpha: interval(ours, base, alpha, spread)[end] + MARGIN, 1e-13, 0.5 - 1e-9, xtol=1e-15)
    return level if end == 1 else 1 - level


def p_not_inferior(ours, base, spread=None):
    """The one-sided level at which the interval's end meets the margin."""
    ends = interval(ours, base, 1e-12, spread)
    if abs(ends[0] + MARGIN) < 1e-12:
        return 0.5
    if ends[1] > -MARGIN:
        return 1e-12
    if ends[2] < -MARGIN:
        return 1 - 1e-12
    return _root(tuple(tuple(map(tuple, one)) for one in (ours, base)), spread)


def p_inferior(ours, base, spread=None):
    """One minus that, where no loss is found; otherwise the same with one lost image fewer, in the mean table."""
    if interval(ours, base)[0] > -MARGIN:
        return 1 - p_not_inferior(ours, base, spread)
    number = ours.shape[1]
    gained, lost = (float(cell.sum(axis=1).mean()) for cell in (ours & ~base, ~ours & base))
    fewer = lost - min(lost, 1)
    value = (gained - fewer) / number
    variance, freedom = spread or (np.var(ours.mean(axis=1) - base.mean(axis=1), ddof=1), len(ours) - 1)

    def over(alpha):
        high = bisect(lambda d: score(gained, fewer, number, d) + norm.isf(alpha), value, 1, xtol=1e-13)
        clusters = t.isf(alpha, freedom) ** 2 * variance / len(ours) if len(ours) > 1 else 0.0
        return value + math.hypot(high - value, clusters**0.5) + MARGIN

    if value >= -MARGIN:
        return 0.5
    return 1e-12 if over(1e-12) < 0 else brentq(over, 1e-12, 0.5 - 1e-9, xtol=1e-15)


def exact(ours, base):
    tables = [
        [[(o & b).sum(), (o & ~b).sum()], [(~o & b).sum(), (~o & ~b).sum()]]
        for o, b in zip(ours, base, strict=True)
    ]
    return [mcnemar(table, exact=True).pvalue for table in tables]


def shown(ours, base, spread=None):
    """Give the interval as a report does, which no difference of accuracies leaves."""
    value, low, high = interval(ours, base, spread=spread)
    return value, max(low, -1.0), min(high, 1.0)


def judged(rows, pairs, spreads=None):
    """Check difference, p-values, verdict and seeds of each row against its pair, corrected over all."""
    spreads = spreads or [None] * len(pairs)
    corrected = iter(multipletests([p for pair in pairs for p in exact(*pair)], method="holm")[1])
    p_values = [p_not_inferior(pair[0], pair[1], spread) for pair, spread in zip(pairs, spreads, strict=True)]
    opposite = [p_inferior(pair[0], pair[1], spread) for pair, spread in zip(pairs, spreads, strict=True)]
    not_inferior = multipletests(p_values, method="holm")[1]
    inferior = multipletests(opposite, method="holm")[1]
    for place, (row, pair) in enumerate(zip(rows, pairs, strict=True)):
        check(row, "difference", shown(pair[0], pair[1], spreads[place]))
        assert float(row["largest loss not excluded"]) == max(-float(row["difference, low"]), 0)
        assert numbers(row["McNemar p (Holm)"]) == pytest.approx([next(corrected) for _ in pair[0]])
        assert float(row["non-inferiority p (Holm)"]) == pytest.approx(not_inferior[place], abs=1e-9)
        expected = "not inferior" if not_inferior[place] <= 0.025 else "inferior"
        assert row["verdict"].removesuffix(" (this training)") == (
            expected if min(not_inferior[place], inferior[place]) <= 0.025 else "not decided"
        )
        if "this training" in row["verdict"]:
            assert len(pair[0]) == 1
        assert int(row["seeds"]) == len(pair[0])
        assert int(row["images"]) == int(row["groups"]) == pair[0].shape[1]


def check(row, name, expected):
    assert [float(row[column]) for column in (name, f"{name}, low", f"{name}, high")] == pytest.approx(
        expected, abs=1e-9
    )


def accuracy(right):
    return [right.mean(), *wilson(right.sum(axis=1).mean(), right.shape[1])]


def numbers(text):
    return [float(number) for number in text.split()]


def check_accuracy(rows, stored):
    count = 0
    for row in rows:
        level = float(row["level"])
        for model in (column for column in row if ":" in column and ", " not in column):
            right = stored.right(model, level)
            if right.size:
                check(row, model, accuracy(right))
                run = stored.find(model, level)[0][-1]
                assert int(row["bytes"]) == run.data.metrics["bytes"]
                assert float(row["of original"]) == run.data.metrics["bytes"] / run.data.metrics["bytes_original"]
                count += 1
            else:
                assert row[model] in ("", "failed")
    assert count == len(
        {
            (one["model"], str(one["train"]))
            for one, *_ in stored.trials
            if "test" not in one and not one["train"].get("noise")
        }
    )


def check_seeds(rows, stored):
    for row in rows:
        right = stored.right(row["model"], float(row["level"]))
        assert numbers(row["accuracy of each"]) == pytest.approx(right.mean(axis=1))
        assert float(row["SD over seeds"]) == pytest.approx(right.mean(axis=1).std(ddof=1))


def check_differences(rows, stored):
    for model in {row["model"] for row in rows}:
        own = [row for row in rows if row["model"] == model]
        pairs = [(stored.right(model, float(row["level"])), stored.right(model, 1.0)) for row in own]
        spreads = pooled(stored, model)
        judged(own, pairs, [spreads[float(row["level"])] for row in own])


def check_tolerance(rows, stored):
    for row in rows:
        levels = [float(level) for level in row["levels tested"].split(", ")]
        base = stored.right(row["model"], 1.0)
        steps = {level: stored.right(row["model"], level) for level in levels}
        spreads, reached = pooled(stored, row["model"]), 1.0
        for level in sorted(levels, reverse=True):
            if interval(steps[level], base, spread=spreads[level])[1] <= -MARGIN:
                assert row["stopped by"].startswith(f"{level:g}: ")
                break
            reached = level
        assert float(row["tolerance"]) == reached
        harm = multipletests([p_inferior(steps[one], base, spreads[one]) for one in levels], method="holm")[1]
        harmful = [level for level, p in zip(levels, harm, strict=True) if p <= 0.025]
        above = [level for level in (1.0, *levels) if level > max(harmful, default=0)]
        assert float(row["tolerance, low"]) == min(*above, reached)
        assert float(row["tolerance, high"]) == reached


def check_margins(rows, stored):
    for row in rows:
        base, spreads = stored.right(row["model"], 1.0), pooled(stored, row["model"])
        for column, margin in (("1 point", 0.01), ("2 points", 0.02), ("5 points", 0.05), ("10 points", 0.1)):
            reached = 1.0
            for level in sorted(spreads, reverse=True):
                low = interval(stored.right(row["model"], level), base, spread=spreads[level])[1]
                if low <= -margin:
                    break
                reached = level
            assert float(row[column]) == reached


def answered(stored):
    """The most accurate model, the level that a report answers with, and the margin that is excluded, if any."""
    names = sorted({one["model"] for one, *_ in stored.trials})
    spreads = {name: pooled(stored, name) for name in names if stored.right(name, 1.0).size}
    spreads = {name: levels for name, levels in spreads.items() if levels}
    model = max(spreads, key=lambda name: (stored.right(name, 1.0).mean(), len(spreads[name])))
    base, sizes = (
        stored.right(model, 1.0),
        {one: stored.find(model, one)[0][-1].data.metrics for one in spreads[model]},
    )
    saving = [one for one, size in sizes.items() if size["bytes"] < size["bytes_original"]]
    ordered = sorted(saving, reverse=True)
    lows = [interval(stored.right(model, one), base, spread=spreads[model][one])[1] for one in ordered]
    for margin in (0.01, 0.02, 0.05, 0.1):
        kept = [level for level, end in zip(ordered, np.minimum.accumulate(lows), strict=True) if end > -margin]
        if kept:
            return model, min(kept, key=lambda level: sizes[level]["bytes"]), margin
    return model, max(saving or sizes), None


def check_levels(rows, stored):
    for row in rows:
        level, model = float(row["level"]), row["model"]
        right, base = stored.right(model, level), stored.right(model, 1.0)
        if not right.size:
            assert row["verdict"] == "failed"
            continue
        check(row, "accuracy", accuracy(right))
        metrics = stored.find(model, level)[0][-1].data.metrics
        assert int(row["bytes"]) == metrics["bytes"]
        if level < 1 and base.size:
            assert float(row["saved"]) == pytest.approx(1 - metrics["bytes"] / metrics["bytes_original"])
            check(row, "difference", shown(right, base, pooled(stored, model)[level]))
            assert float(row["largest loss not excluded"]) == max(-float(row["difference, low"]), 0)


def paying(stored):
    """Labels, and the predictions of all seeds on originals and at the level that classes are told of."""
    model, level, _ = answered(stored)
    found = [[stored.predictions[run.info.run_id] for *_, run in stored.find(model, at)] for at in (1.0, level)]
    base, ours = (np.array([one.predicted for one in trials]) for trials in found)
    return found[0][0].image_id.to_numpy(), found[0][0].label.to_numpy(), base, ours


def check_classes(rows, stored):
    _, labels, base, ours = paying(stored)
    names = set(labels)
    order = [(float(row["difference, high"]) >= 0, float(row["difference"]), row["class"]) for row in rows]
    assert order == sorted(order)
    assert {row["class"] for row in rows} == names
    for row in rows:
        here = labels == row["class"]
        right = [one[:, here] == row["class"] for one in (ours, base)]
        assert int(row["images"]) == int(row["groups"]) == here.sum()
        assert float(row["accuracy at the original"]) == pytest.approx(right[1].mean())
        assert float(row["accuracy at the level"]) == pytest.approx(right[0].mean())
        value, low, high = interval(right[0], right[1], 0.025 / len(names))
        check(row, "difference", (value, max(low, -1.0), min(high, 1.0)))
        sign = "loses" if high < 0 else "gains" if low > 0 else "not decided"
        assert row["verdict"].removesuffix(" (this training)") == sign


def check_confusions(rows, stored):
    _, labels, base, ours = paying(stored)
    grown = []
    for label, taken in {(a, b) for one in ours for a, b in zip(labels, one, strict=True) if a != b}:
        before, after = (((labels == label) & (one == taken)).sum(axis=1).mean() for one in (base, ours))
        if after > before:
            grown.append((before - after, label, taken, before, after))
    expected = sorted(grown)[:20]
    assert [(row["class"], row["taken for"]) for row in rows] == [
        (label, taken) for _, label, taken, *_ in expected
    ]
    for row, (less, _, _, before, after) in zip(rows, expected, strict=True):
        shown_counts = [float(row[name]) for name in ("images at the original", "images at the level", "more")]
        assert shown_counts == pytest.approx([before, after, -less])


def check_flips(rows, stored):
    ids, labels, base, ours = paying(stored)
    shares = pd.DataFrame(
        {"base": (base == labels).mean(axis=0), "ours": (ours == labels).mean(axis=0)}, index=ids
    )
    assert len(rows) == min(30, (shares.base != shares.ours).sum())
    fewer = shares[shares.ours < shares.base]
    assert sum(float(row["right at the level"]) < float(row["right at the original"]) for row in rows) == min(
        30, len(fewer)
    )
    for row in rows:
        assert labels[list(ids).index(row["image"])] == row["class"]
        assert float(row["right at the original"]) == pytest.approx(shares.base[row["image"]])
        assert float(row["right at the level"]) == pytest.approx(shares.ours[row["image"]])
        for name, predicted in (("original", base), ("level", ours)):
            assert row[f"predicted at the {name}"] in predicted[:, list(ids).index(row["image"])]


def balanced(labels, predicted, _):
    return np.mean([(predicted[labels == one] == one).mean() for one in np.unique(labels)])


def f1(labels, predicted, _):
    both = [((labels == one), (predicted == one)) for one in np.unique(labels)]
    return np.mean([2 * (true & taken).sum() / (true.sum() + taken.sum()) for true, taken in both])


def of_scikit_learn(score):
    return lambda labels, predicted, _: score(labels, predicted, average="macro", labels=np.unique(labels))


BY_SCIKIT_LEARN = {
    "balanced accuracy": of_scikit_learn(sklearn.recall_score),
    "macro F1": of_scikit_learn(sklearn.f1_score),
}


def log_loss(labels, _, shares):
    return -np.log(np.maximum(shares[range(len(labels)), labels], 2**-10)).mean()


def top_5(labels, _, shares):
    # Of two that are as probable the one behind counts first, as in scikit-learn.
    return (np.argsort(shares, axis=1, kind="stable")[:, -5:] == labels[:, None]).any(axis=1).mean()


def auc(labels, _, shares):
    areas = []
    for one in np.unique(labels) if shares.shape[1] > 2 else [1]:
        above = shares[labels == one, one][:, None] - shares[labels != one, one][None, :]
        areas.append(((above > 0) + (above == 0) / 2).mean())
    return np.mean(areas)


def gaps(labels, predicted, shares):
    """What confidence is off in each bin that has images: lists of numbers."""
    confidence = shares[range(len(labels)), predicted]
    bins = np.ceil(confidence * 15)
    return [(labels == predicted)[bins == one] - confidence[bins == one] for one in np.unique(bins)]


def calibration(*of):
    return sum(abs(one.sum()) for one in gaps(*of)) / len(of[0])


METRICS = {
    "balanced accuracy": (balanced, 1),
    "macro F1": (f1, 1),
    "log loss": (log_loss, -1),
    "top-5 accuracy": (top_5, 1),
    "AUC": (auc, 1),
    "calibration error": (calibration, -1),
}


def largest(name, labels, both):
    """How much one image may change of a value, times the number of images."""
    counts = np.bincount(labels)[np.unique(labels)]
    if name == "balanced accuracy":
        return len(labels) / len(counts) / counts.min()
    if name == "macro F1":
        taken = [np.bincount(predicted, minlength=labels.max() + 1)[np.unique(labels)] for _, predicted, _ in both]
        return 2 * len(labels) / len(counts) / min((counts + one).min() for one in taken)
    if name == "AUC":
        binary = both[0][2].shape[1] == 2
        return len(labels) / min(*counts, *(len(labels) - counts)) / (1 if binary else len(counts))
    return 10 * math.log(2) if name == "log loss" else 1.0


def outcomes(stored, model, level):
    """Numbers of labels and predicted classes, and probabilities, of each seed."""
    found = []
    for *_, run in stored.find(model, level):
        shares, predictions = stored.shares[run.info.run_id], stored.predictions[run.info.run_id]
        codes = (shares.columns.get_indexer(predictions[name]) for name in ("label", "predicted"))
        found.append((*codes, shares.to_numpy()))
    return found


def jackknifed(name, ours, base, spread):
    """Fay and Feuer's limits, joined with Student's over seeds, from leaving out each image in turn."""
    value_of, side = METRICS[name]
    images, seeds = len(ours[0][0]), len(ours)
    per_seed = [side * (value_of(*one) - value_of(*other)) for one, other in zip(ours, base, strict=True)]
    left_out = []
    for image in range(images):
        rest = np.arange(images) != image
        pairs = zip(ours, base, strict=True)
        parts = [(tuple(x[rest] for x in one), tuple(x[rest] for x in other)) for one, other in pairs]
        left_out.append(np.mean([side * (value_of(*one) - value_of(*other)) for one, other in parts]))
    changes = (np.mean(per_seed) - np.array(left_out)) * (images - 1)
    changes -= changes.mean()
    most = max(largest(name, ours[0][0], pair) for pair in zip(ours, base, strict=True))
    level = norm.cdf(t.ppf(0.025, images - 1))
    reaches = []
    for sign in (-1, 1):
        grown, shrunk = (np.maximum(sign * way * changes, 0) for way in (1, -1))
        total, squares = grown.sum() + most, (grown**2).sum() + most**2
        upper = gamma.isf(level, total**2 / squares, scale=squares / total) - grown.sum()
        total, squares = shrunk.sum(), (shrunk**2).sum()
        lower = total - gamma.ppf(level, total**2 / squares, scale=squares / total) if total else 0.0
        over_images = math.hypot(upper, lower) * math.sqrt(images / (images - 1)) / images
        variance, freedom = spread or (0.0, 1.0)
        over_seeds = t.isf(0.025, freedom) * math.sqrt(variance / seeds)
        excess = 0.0
        if name == "calibration error":
            of = base if sign < 0 else ours
            sums = np.mean([sum(math.sqrt((gap**2).sum()) for gap in gaps(*one)) for one in of])
            excess = math.sqrt(2 / math.pi) * float(sums) / images
        reaches.append(math.hypot(over_images, over_seeds) + excess)
    value = np.mean(per_seed)
    ends = sorted(side * end for end in (value - reaches[0], value + reaches[1]))
    return side * value, *ends


def check_metrics(rows, stored):
    shown_metrics = [name for name in METRICS if name in rows[0]]
    few = all(shares.shape[1] <= 5 for shares in stored.shares.values())
    assert set(METRICS) - set(shown_metrics) == ({"top-5 accuracy"} if few else set())
    for row in rows:
        level = float(row["level"])
        ours, base = outcomes(stored, row["model"], level), outcomes(stored, row["model"], 1.0)
        for name in shown_metrics:
            value_of = BY_SCIKIT_LEARN.get(name, METRICS[name][0])
            assert float(row[name]) == pytest.approx(np.mean([value_of(*one) for one in ours]))
            if level < 1:
                difference = np.mean([value_of(*one) for one in ours]) - np.mean([value_of(*one) for one in base])
                assert float(row[f"{name}, difference"]) == pytest.approx(difference)
    row = next(row for row in rows if float(row["level"]) == 0.3)
    levels = sorted({float(one["level"]) for one in rows if one["model"] == row["model"]} - {1.0}, reverse=True)
    cells = {level: outcomes(stored, row["model"], level) for level in (1.0, *levels)}
    for name in shown_metrics:
        value_of, _ = METRICS[name]
        values = {level: np.array([value_of(*one) for one in cells[level]]) for level in cells}
        several = len(cells[1.0]) > 1
        spread = spreads_of({level: values[level] - values[1.0] for level in levels})[0.3] if several else None
        expected = jackknifed(name, cells[0.3], cells[1.0], spread)
        found = [float(row[f"{name}, difference{end}"]) for end in ("", ", low", ", high")]
        assert found == pytest.approx(expected, abs=0.02 * (expected[2] - expected[1])), name


def check_sizes(rows, stored):
    for row in rows:
        small, compressed = stored.right(row["small"], 1.0), stored.right(row["small"], 0.3)
        large = stored.right(row["large"], 1.0)
        check(row, "accuracy of small", accuracy(small))
        check(row, "small at 0.3", accuracy(compressed))
        check(row, "accuracy of large", accuracy(large))
        check(row, "drop at 0.3", shown(compressed, small, pooled(stored, row["small"])[0.3]))
        check(row, "drop of large", shown(large, small))
        check(row, "small at 0.3 minus large", shown(compressed, large))
    assert len(rows) == len({row["large"] for row in rows}) == 4


def check_storage(rows, stored):
    for row in rows:
        metrics = stored.find(row["model"], float(row["level"]))[0][-1].data.metrics
        ours, base = stored.right(row["model"], float(row["level"])), stored.right(row["model"], 1.0)
        found = [float(row[name]) for name in list(row)[2:-1]]
        assert int(row["seeds"]) == len(ours) == len(base)
        sizes = [metrics["bytes_original"], metrics["bytes"], metrics["bytes"] / metrics["bytes_original"]]
        assert found == pytest.approx([*sizes, base.mean(), ours.mean(), ours.mean() / base.mean()])


def check_reading(rows, stored):
    for row in rows:
        runs = [
            run.data.metrics
            for condition, _, _, run in stored.trials
            if condition["train"] == images(float(row["level"])) and "test" not in condition
        ]
        assert int(row["measured in trials"]) == len(runs)
        scale = runs[0]["images_train"] / runs[0]["reading_images"]
        assert int(row["files read"]) == runs[0]["reading_images"]
        for name, metric, factor in (
            ("seconds to read an epoch", "reading_seconds_read", scale),
            ("seconds to decode it", "reading_seconds_decode", scale),
            ("header, of a file", "reading_header_share", 1),
        ):
            if row[name] != "unknown format":
                assert float(row[name]) == pytest.approx(factor * np.median([run[metric] for run in runs]))


def check_noise(rows, stored):
    for row in rows:
        model = row["model"]
        clean = stored.right(model, 1.0)
        noisy, both = (stored.right(model, level, noise=1.0) for level in (1.0, 0.3))
        for name, right in (("clean", clean), ("noisy", noisy), ("JPEG of noisy", both)):
            check(row, name, accuracy(right))
    assert len(rows) == 1


def check_noise_differences(rows, stored):
    cells = {
        "clean": stored.right(rows[0]["model"], 1.0),
        "noisy": stored.right(rows[0]["model"], 1.0, noise=1.0),
        "noisy at 0.3": stored.right(rows[0]["model"], 0.3, noise=1.0),
    }
    judged(rows, [(cells[row["accuracy on"]], cells[row["minus"]]) for row in rows])
    assert [row["accuracy on"] for row in rows] == ["noisy", "noisy at 0.3"]


def check_size_differences(rows, stored):
    def of(name):
        model, _, level = name.partition(" at ")
        return stored.right(model, float(level or 1))

    spreads = [
        pooled(stored, row["minus"])[0.3] if row["accuracy of"] == f"{row['minus']} at 0.3" else None
        for row in rows
    ]
    judged(rows, [(of(row["accuracy of"]), of(row["minus"])) for row in rows], spreads)
    assert len(rows) == 5 + 2 * 4


def epochs(curve):
    return int(np.argmax(np.array(curve) >= 0.95 * curve[-1])) + 1


def check_convergence(rows, stored):
    for row in rows:
        curves = [curve for _, curve, _ in stored.find(row["model"], float(row["level"]))]
        found = [epochs(curve) for curve in curves]
        assert numbers(row["epochs to 95 %, each seed"]) == found
        assert float(row["final validation accuracy"]) == pytest.approx(np.mean([curve[-1] for curve in curves]))
        if float(row["level"]) < 1:
            base = [epochs(curve) for _, curve, _ in stored.find(row["model"], 1.0)]
            more = np.mean(np.array(found) - base)
            assert float(row["more than the original's"]) == pytest.approx(more)
        assert {len(curve) for curve in curves} == {int(row["of epochs"])}


def check_tabular(rows, stored):
    pairs = []
    for row in rows:
        tabular, deep = (stored.right(row[name], float(row["level"])) for name in ("model", "deep"))
        if row["accuracy"] == "failed":
            assert not tabular.size
            assert row["difference"] == ""
            continue
        check(row, "accuracy", accuracy(tabular))
        check(row, "accuracy of deep", accuracy(deep))
        pairs.append((tabular, deep))
    judged(rows[: len(pairs)], pairs)


def check_transfer(rows, stored):
    pairs = []
    for row in rows:
        train, test = float(row["trained at"]), float(row["tested at"])
        pairs.append((stored.right(row["model"], train, test), stored.right(row["model"], train)))
        check(row, "accuracy", accuracy(pairs[-1][0]))
    judged(rows, pairs)
    assert len(rows) == 12


def check_published(rows, stored):
    small, compressed, large = (
        stored.right(model, level)
        for model, level in ((PAPER["small"], 1.0), (PAPER["small"], 0.3), (PAPER["large"], 1.0))
    )
    metrics = stored.find(PAPER["small"], 0.3)[0][-1].data.metrics
    ours = {
        "images": [1000],
        "train": [600],
        "test": [small.shape[1]],
        "classes": [10],
        "small model": accuracy(small),
        "compressed input": accuracy(compressed),
        "large model": accuracy(large),
        "compressed input, drop": shown(compressed, small, pooled(stored, PAPER["small"])[0.3]),
        "large model, drop": shown(large, small),
        "relative size": [metrics["bytes"] / metrics["bytes_original"]],
        "relative performance": [compressed.mean() / small.mean()],
    }
    seen = set()
    for row in rows:
        if row["cell"] in ours and row["ours"]:
            found = [float(number) for number in re.findall(r"[+-]?\d+(?:\.\d+)?", row["ours"].replace(",", ""))]
            assert found == pytest.approx(ours[row["cell"]], abs=6e-5)
            seen.add(row["cell"])
    assert len(seen) == 11, seen


def check_trials(rows, stored):
    assert len(rows) == len(stored.trials)
    by_run = {run.info.run_id: (condition, right, run) for condition, right, _, run in stored.trials}
    for row in rows:
        condition, right, run = by_run[row["run"]]
        assert (row["model"], int(row["seed"])) == (condition["model"], condition["seed"])
        assert float(row["accuracy"]) == pytest.approx(right.mean())
        assert run.data.tags["agbench.id"] == row["condition"]
        environment = stored.artifacts / run.info.run_id / "artifacts" / "environment.json"
        assert int(row["cores"]) == json.loads(environment.read_text())["trial"]["cpus"]
        for phase, seconds in re.findall(r"(\w+) ([\d.]+)", row["seconds"]):
            assert float(seconds) == pytest.approx(run.data.metrics[f"seconds_{phase}"], abs=0.051)


def check_claims(rows, stored):
    """The numbers of claims stand in other tables too: here, that they are these."""
    by_claim = {row["claim"].split()[0]: row for row in rows}
    deep = "automm:efficientnet_b0" if stored.right(PAPER["small"], 1.0).size else "automm:efficientnet_lite0"
    ours, base = stored.right(deep, 0.3), stored.right(deep, 1.0)
    text = "{:+.4f} ({:+.4f} to {:+.4f})".format(*shown(ours, base, pooled(stored, deep)[0.3]))
    assert text in by_claim["negligible"]["numbers"]
    metrics = stored.find(deep, 0.3)[0][-1].data.metrics
    saved = 1 - metrics["bytes"] / metrics["bytes_original"]
    assert f"{abs(saved):.1%}" in by_claim["65"]["numbers"]
    assert by_claim["65"]["verdict"] == ("supported" if saved >= 0.65 else "not supported")
    for model in ("tabular:pixels", "tabular:dct", "tabular:pixels+dct"):
        tabular = stored.right(model, 0.3)
        if tabular.size:
            text = "{:+.4f} ({:+.4f} to {:+.4f})".format(*shown(tabular, ours))
            assert f"{model} {text}" in by_claim["tabular"]["numbers"]
    noisy = stored.right(deep, 1.0, noise=1.0)
    if noisy.size:
        both = stored.right(deep, 0.3, noise=1.0)
        for one, other in ((noisy, base), (both, noisy)):
            assert "{:+.4f} ({:+.4f} to {:+.4f})".format(*shown(one, other)) in by_claim["JPEG"]["numbers"]
        large = stored.right(PAPER["large"], 1.0)
        low, high = interval(ours, large)[1:]
        assert by_claim["compressing"]["verdict"] == (
            "supported" if low > 0 else "not supported" if high < 0 else "not decided"
        )
        more = [
            np.mean([epochs(stored.find(deep, level)[seed][1]) for level in np.arange(1, 10) / 10])
            - epochs(stored.find(deep, 1.0)[seed][1])
            for seed in range(3)
        ]
        half = t.ppf(0.975, 2) * pd.Series(more).sem()
        # Sums of epochs in another order can be zero from below.
        middle, low, high = (round(np.mean(more) + side * half, 2) + 0.0 for side in (0, -1, 1))
        text = f"{middle:+.2f} ({low:+.2f} to {high:+.2f})"
        assert text in by_claim["no"]["numbers"] or any(text in row["numbers"] for row in rows)


def check_phases(rows, stored):
    trainings, sweeps = {}, set()
    for condition, _, _, run in stored.trials:
        metrics = run.data.metrics
        of_training = {name: value for name, value in condition.items() if name != "test"}
        key = json.dumps(of_training, sort_keys=True), metrics["wall_seconds"]
        trainings.setdefault(key, []).append(metrics)
        sweeps.add(tuple(metrics[f"sweep_seconds_{phase}"] for phase in ("start", "check", "variants")))
    runs = [metrics for shared in trainings.values() for metrics in shared]
    before = np.sum(list(sweeps), axis=0)
    storing = sum(metrics["storing_seconds"] for metrics in runs)
    total = before.sum() + sum(wall for _, wall in trainings) + storing
    seconds = {row["phase"]: float(row["seconds"]) for row in rows}
    assert seconds["all"] == pytest.approx(total)
    started = [seconds[name] for name in ("starting workers", "importing, and looking for weights", "compressing")]
    assert started == pytest.approx(list(before))
    assert seconds["training"] == pytest.approx(sum(one[0]["seconds_fit"] for one in trainings.values()))
    assert seconds["predicting"] == pytest.approx(sum(metrics["seconds_predict"] for metrics in runs))
    assert seconds["storing"] == pytest.approx(storing)
    assert sum(seconds.values()) == pytest.approx(2 * total)
    assert {row["phase"]: float(row["of all"]) for row in rows} == pytest.approx(
        {phase: taken / total for phase, taken in seconds.items()}
    )


CHECKS = {
    "levels": check_levels,
    "accuracy": check_accuracy,
    "seeds": check_seeds,
    "differences": check_differences,
    "tolerance": check_tolerance,
    "margins": check_margins,
    "classes": check_classes,
    "confusions": check_confusions,
    "flips": check_flips,
    "more-than-accuracy": check_metrics,
    "model-size": check_sizes,
    "model-size-differences": check_size_differences,
    "storage": check_storage,
    "reading": check_reading,
    "noise": check_noise,
    "noise-differences": check_noise_differences,
    "convergence": check_convergence,
    "tabular": check_tabular,
    "transfer": check_transfer,
    "published": check_published,
    "phases": check_phases,
    "trials": check_trials,
    "claims": check_claims,
}
WORDS = {"settings", "quarantined", "failures"}
"""Tables without a number that comes from predictions."""


def test_every_number_is_that_of_the_stored_predictions(reported):
    folder, stored = reported
    tables = {path.stem: path for path in (folder / "tables").glob("*.csv")}
    assert set(tables) <= set(CHECKS) | WORDS
    assert len(tables) >= 9
    for name in sorted(set(tables) - WORDS):
        with tables[name].open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows, name
        CHECKS[name](rows, stored)


def test_what_is_looked_at_several_times_is_corrected_for_that(tmp_path):
    looks, model = 4, "tabular:dct"
    conditions = [made.condition("birds", model, level, seed) for level in (1.0, 0.9, 0.3) for seed in (0, 1)]
    store = made.fill(tmp_path / "results", conditions)
    store.plan_looks([record.run_id for record in store.records()], looks)
    folder, stored = report(Workspace(tmp_path), "md", "csv"), Stored(tmp_path / "results")
    with (folder / "tables" / "differences.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    base, spreads = stored.right(model, 1.0), pooled(stored, model)
    levels = {float(row["level"]): stored.right(model, float(row["level"])) for row in rows}
    p_values = [min(looks * p_not_inferior(ours, base, spreads[level]), 1) for level, ours in levels.items()]
    expected = multipletests(p_values, method="holm")[1]
    for row, (level, ours), p_value in zip(rows, levels.items(), expected, strict=True):
        value, low, high = interval(ours, base, 0.025 / looks, spreads[level])
        check(row, "difference", (value, max(low, -1), min(high, 1)))
        assert float(row["non-inferiority p (Holm)"]) == pytest.approx(p_value, abs=1e-9)
    assert "with at most 4 looks at each" in (folder / "report.md").read_text()


def test_the_answer_is_that_of_the_stored_predictions(reported):
    folder, stored = reported
    model, level, margin = answered(stored)
    first, second = re.findall(r"^> (.+)$", (folder / "report.md").read_text(), re.MULTILINE)[:2]
    metrics = stored.find(model, level)[0][-1].data.metrics
    if margin is None and metrics["bytes"] >= metrics["bytes_original"]:
        assert first.startswith(f"**Keep the originals: no level that was run takes fewer bytes (jpeg {level:g}: ")
    else:
        saved = f"{100 * (1 - metrics['bytes'] / metrics['bytes_original']):.1f}".removesuffix(".0")
        assert first.startswith(f"**At jpeg {level:g}: {saved} % of the bytes saved")
    ours, base = stored.right(model, level), stored.right(model, 1.0)
    assert second.startswith(f"Accuracy {base.mean():.3f} to {ours.mean():.3f} ({model}, ")
    low = interval(ours, base, spread=pooled(stored, model)[level])[1]
    (excluded,) = re.findall(r"a loss of more than ([\d.]+) points? is excluded", second)
    assert 0 <= float(excluded) + 100 * max(low, -1.0) <= 0.0101


def test_the_verdicts_beside_the_levels_are_those_of_the_tests(reported):
    folder, _ = reported
    tested = {(row["model"], row["level"]): row["verdict"] for row in table_of(folder, "differences")}
    for row in table_of(folder, "levels"):
        if row["difference"]:
            assert row["verdict"] == tested[row["model"], row["level"]]


def test_the_page_shows_the_levels_of_each_model(reported):
    folder, _ = reported
    page = (folder / "report.md").read_text()
    rows = table_of(folder, "levels")
    models = list(dict.fromkeys(row["model"] for row in rows))
    for row in rows:
        own = page.split(f"### {row['model']}\n")[1].split("\n###")[0] if len(models) > 1 else page
        if row["difference"]:
            names = ("difference", "difference, low", "difference, high")
            value, low, high = (100 * float(row[name]) for name in names)
            assert f" {value:+.2f} ({low:+.2f} to {high:+.2f}) points " in own
            assert f" {float(row['saved']):.2%} " in own


def test_the_strip_has_the_stored_bytes_and_predictions(reported):
    folder, stored = reported
    evidence = gather(folder.name, read_records(folder.parents[1] / "results"))
    found = strip(evidence, answer_of(evidence))
    page = (folder / "report.html").read_text()
    levels = (1.0, 0.5, 0.3, 0.1) if folder.name == "cifar10" else (1.0, 0.3)
    assert len(found.rows) >= 2
    for label, pictures in found.rows:
        for level, picture in zip(levels, pictures, strict=True):
            run = stored.find(found.model, level)[0][-1].info.run_id
            files = pd.read_parquet(stored.artifacts / run / "artifacts" / "examples.parquet")
            (kept,) = files[files.file == picture.file].itertuples()
            predictions = stored.predictions[run].set_index("image_id").loc[kept.image_id]
            assert (predictions.label, predictions.predicted) == (label, picture.predicted)
            assert picture.is_right == (predictions.label == predictions.predicted)
            name = "original" if level == 1 else f"level {level:g}"
            assert picture.caption == f"{name}, {table.size(len(picture.file))}"
            assert f"<figcaption>{picture.caption}<br>" in page


def table_of(folder, name):
    with (folder / "tables" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_page_shows_what_the_files_hold(reported):
    folder, _ = reported
    page = (folder / "report.md").read_text()
    for path in (folder / "tables").glob("*.csv"):
        if path.stem in {
            "claims",
            "tolerance",
            "settings",
            "quarantined",
            "failures",
            "trials",
            "published",
            "levels",
        }:
            continue
        with path.open(newline="") as file:
            header, *rows = csv.reader(file)
        heading = " | ".join(name for name in header if not name.endswith((", low", ", high")))
        shown = next(
            part for part in re.split(r"\n\n", page) if re.sub(" +", " ", part).startswith(f"| {heading} |")
        ).splitlines()[2:]
        for row, line in zip(rows, shown, strict=True):
            held = [float(value) for cell in row for value in cell.split() if re.fullmatch(r"-?[\d.e-]+", value)]
            for number in re.findall(r"(?<![\w.])(?<!< )[+-]?\d+\.\d+(?![\w.])", line):
                digits = len(number.split(".")[1])
                close = [value * scale for value in held for scale in (1, 100, 1e-3, 1e-6)]
                # What is excluded is rounded up.
                rounded = 1.001 if f"{number} points" in line else 0.501
                assert min(abs(float(number) - value) for value in close) <= rounded * 10**-digits, (
                    path.stem,
                    line,
                )


FOLDED = (0.9, 0.6, 0.3)


def fold_differences(ours, base):
    """Differences of folds, each weighted by its images: their mean is that of all, and they vary as it does."""
    one = pd.DataFrame({"off": (ours.label == ours.predicted) * 1.0 - (base.label == base.predicted)})
    value, folds = one.off.mean(), ours.fold.nunique()
    return value + folds * (one.off - value).groupby(ours.fold).sum().to_numpy() / len(one)


@pytest.mark.parametrize("images", [203, 2001])
def test_the_interval_of_a_network_with_folds_is_at_least_that_of_its_folds(tmp_path, images):
    model, own = "automm:efficientnet_b0", Workspace(tmp_path)
    made.fill(own.results, [made.folded("dtd", model, level) for level in (1.0, *FOLDED)], images)
    folder, stored = report(own, "csv"), Stored(own.results)
    trials = {
        level: stored.predictions[stored.find(model, level)[0][-1].info.run_id].reset_index()
        for level in (1.0, *FOLDED)
    }
    found = np.array([fold_differences(trials[level], trials[1.0]) for level in FOLDED])
    variances = found.var(axis=1, ddof=1)
    rising = IsotonicRegression().fit_transform(range(3), variances)
    with (folder / "tables" / "differences.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    ends, p_values = [], []
    for place, level in enumerate(FOLDED):
        alike = np.isclose(rising, rising[place], rtol=1e-9).sum() if rising[place] > variances.mean() else 3
        freedom = 4 * alike / (1 + 0.25 * (alike - 1))
        error = math.sqrt(max(variances.mean(), rising[place]) / 5)

        def ends_at(alpha, level=level, freedom=freedom, error=error):
            value, low, high = interval(stored.right(model, level), stored.right(model, 1.0), alpha)
            reach = t.isf(alpha, freedom) * error
            return value, min(low, value - reach), max(high, value + reach)

        ends.append(ends_at(0.025))
        side = 1 if ends[-1][0] > -MARGIN else 2
        p = brentq(lambda alpha, side=side, at=ends_at: at(alpha)[side] + MARGIN, 1e-9, 0.5 - 1e-9)
        p_values.append(p if side == 1 else 1 - p)
    for row, level, end, p in zip(rows, FOLDED, ends, multipletests(p_values, method="holm")[1], strict=True):
        assert (row["model"], float(row["level"])) == (f"{model} (folds 5)", level)
        check(row, "difference", end)
        assert float(row["non-inferiority p (Holm)"]) == pytest.approx(p, abs=1e-9)
        assert row["seeds"] == "5 folds"
        assert "this training" not in row["verdict"]


def test_models_with_folds_go_with_folds_and_say_that_images_are_predicted_out_of_fold(tmp_path):
    deep, own = "automm:efficientnet_b0", Workspace(tmp_path)
    conditions = [made.folded("dtd", model, level) for model in (deep, "tabular:dct") for level in (1.0, 0.3)]
    store = made.fill(own.results, conditions, images=1000)
    plain = [made.condition("dtd", model, level) for model in (deep, "tabular:dct") for level in (1.0, 0.3)]
    made.fill(own.results, plain)
    assert all(record.correctness.folds is not None for record in store.records()[:4])
    assert all(record.correctness.folds is None for record in store.records()[4:])
    assert "out of fold" in charts.over_level(gather("dtd", store.records())).y_label
    folder = report(own, "md", "csv")
    tables = {}
    for name in ("accuracy", "tolerance", "margins", "differences", "tabular"):
        with (folder / "tables" / f"{name}.csv").open(newline="") as file:
            tables[name] = list(csv.DictReader(file))
    names = {deep, f"{deep} (folds 5)"}
    assert names <= set(tables["accuracy"][0])
    for name in ("tolerance", "margins"):
        of = {row["model"]: row["of"] for row in tables[name]}
        assert [of[name] for name in sorted(names)] == ["this training", "5 folds"]
    pairs = {(row["model"], row["deep"]) for row in tables["tabular"]}
    assert pairs == {("tabular:dct", deep), ("tabular:dct (folds 5)", f"{deep} (folds 5)")}
    page = (folder / "report.md").read_text()
    assert "every image is predicted out of fold" in page
    assert "A network without folds was trained once for each level" in page
