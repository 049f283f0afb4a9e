"""Draw the simulations of the page on statistics: how often verdicts are wrong, and how often they are found.

    python -m docs.simulations

The rules and the draws are those of the test suite, `tests.analysis.test_error_rates` and
`tests.analysis.test_spread`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from agbench.analysis.intervals import in_points
from tests.analysis import test_error_rates as rates
from tests.analysis import test_spread as spreads

FIGURES = Path(__file__).parent / "figures"
MARGIN, CHANGED = 0.01, 0.03
"""Loss that there truly is, and share of images that are gained and as many more lost."""

Shares = tuple[float, float]


def of_images(images: int, size: int = 1, correlation: float = 0.0) -> Shares:
    """Return the shares of wrong "not inferior" and "inferior" verdicts with one training."""
    sizes = rates.sizes_of(images, size)
    generator = np.random.default_rng(size)
    lost, gained = rates.outcomes(generator, sizes, rates.DRAWS, MARGIN + CHANGED, CHANGED, correlation)
    return shares(rates.verdicts(sizes, lost, gained, MARGIN))


def of_groups_that_are_not_named(images: int, size: int, correlation: float) -> Shares:
    """Return the same where images of a group are taken for independent."""
    sizes = rates.sizes_of(images, size)
    generator = np.random.default_rng(size)
    lost, gained = rates.outcomes(generator, sizes, rates.DRAWS, MARGIN + CHANGED, CHANGED, correlation)
    is_lost, is_changed = (spread_over_images(part, sizes) for part in (lost, lost + gained))
    return shares(rates.verdicts(np.ones(images, dtype=int), is_lost, is_changed - is_lost, MARGIN))


def spread_over_images(counts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return which images changed, shape (draws, images), from how many of each group did."""
    place = np.concatenate([np.arange(size) for size in sizes])
    return (place < np.repeat(counts, sizes, axis=1)).astype(int)


def of_seeds(images: int, size: int, correlation: float, seeds: int, deviation: float) -> Shares:
    """Return the same with several trainings, which differ by a standard deviation."""
    sizes = rates.sizes_of(images, size)
    lost, gained, squares, reach = rates.by_seeds(
        np.random.default_rng(size), sizes, seeds, deviation, MARGIN, CHANGED, correlation
    )
    return shares(rates.verdicts(sizes, lost, gained, MARGIN, squares, reach))


def of_folds(images: int, size: int, correlation: float, folds: int, deviation: float) -> Shares:
    """Return the same with a training for each fold."""
    sizes = rates.sizes_of(images, size)
    lost, gained, squares, reach = rates.by_folds(
        np.random.default_rng(size), sizes, 1, folds, deviation, MARGIN, CHANGED, correlation
    )
    return shares(rates.verdicts(sizes, lost, gained, MARGIN, squares, reach, is_folds=True))


def shares(verdicts: tuple[np.ndarray, np.ndarray]) -> Shares:
    """Return the shares of draws with each verdict."""
    not_inferior, inferior = verdicts
    return float(not_inferior.mean()), float(inferior.mean())


def error_rates() -> Figure:
    """Return a figure with a row for each design, where the true loss is the margin itself."""
    designs = {
        "1,000 independent images": of_images(1000),
        "4,000 images in groups of 5, correlation 0.4": of_images(4000, 5, 0.4),
        "4,000 images in groups of 10, correlation 1": of_images(4000, 10, 1.0),
        "4,000 images in groups of 40, correlation 0.1": of_images(4000, 40, 0.1),
        "the same, taken for independent": of_groups_that_are_not_named(4000, 40, 0.1),
        "3 seeds, 1,000 images in groups of 10": of_seeds(1000, 10, 0.4, 3, 0.01),
        "5 seeds, 4,000 images in groups of 5": of_seeds(4000, 5, 1.0, 5, 0.01),
        "5 folds, 1,500 independent images": of_folds(1500, 1, 0.0, 5, 0.01),
        "5 folds, 600 images in groups of 10": of_folds(600, 10, 0.4, 5, 0.005),
    }
    figure, axes = plt.subplots(figsize=(7.5, 3.9), layout="constrained")
    rows = np.arange(len(designs))[::-1]
    values = 100 * np.array([*designs.values()])
    axes.axvline(2.5, color="0.5", linestyle="--", linewidth=1)
    for place, (name, marker, colour) in enumerate(
        (("wrongly “not inferior”", "o", "#00796b"), ("wrongly “inferior”", "s", "#c0392b"))
    ):
        axes.plot(values[:, place], rows, marker, color=colour, label=name, markersize=6)
    axes.set_yticks(rows, [*designs])
    axes.set_xlim(left=0)
    axes.set_xlabel("wrong verdicts in %")
    axes.legend(frameon=False, loc="lower right")
    print_rows(designs)
    return figure


def power() -> Figure:
    """Return a figure of how often "not inferior" is found where nothing is lost."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.1), layout="constrained", sharey=True)
    counts = (300, 500, 700, 1000, 1500, 2000, 3000, 5000, 10_000)
    for margin, marker in ((0.01, "o"), (0.02, "s"), (0.05, "^")):
        found = [not_inferior_of(images, margin) for images in counts]
        left.plot(counts, found, marker=marker, markersize=4, label="margin " + in_points(margin))
        print_rows({f"margin {margin:g}": found})
    left.set_xscale("log")
    left.set_xticks([300, 1000, 3000, 10_000], ["300", "1,000", "3,000", "10,000"])
    left.minorticks_off()
    left.set_xlabel("test images, one training, 5 % change")
    left.set_ylabel("shown to be harmless, in %")
    deviations = (0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02)
    for seeds, marker in ((2, "o"), (3, "s"), (5, "^")):
        found = [
            100 * float(spreads.simulated(seeds, [one] * len(spreads.LEVELS), loss=0.0)[0].mean())
            for one in deviations
        ]
        right.plot(100 * np.array(deviations), found, marker=marker, markersize=4, label=f"{seeds} seeds")
        print_rows({f"{seeds} seeds": found})
    right.set_xlabel("spread over trainings in points\n(10,000 images, margin 1 point)")
    for axes in (left, right):
        axes.set_ylim(0, 102)
        axes.legend(frameon=False)
    return figure


def not_inferior_of(images: int, margin: float) -> float:
    """Return the percentage of draws that are called not inferior, where 2.5 % are lost and as many gained."""
    sizes = rates.sizes_of(images, 1)
    lost, gained = rates.outcomes(np.random.default_rng(images), sizes, 1000, 0.025, 0.025, 0.0)
    return 100 * float(rates.verdicts(sizes, lost, gained, margin)[0].mean())


def print_rows(rows: Mapping[str, Sequence[float]]) -> None:
    """Print what is drawn."""
    for name, values in rows.items():
        print(f"{name}: {np.round(values, 4)}")


def main() -> None:
    """Write the figures."""
    mpl.rcParams.update({"svg.hashsalt": "agbench", "axes.spines.top": False, "axes.spines.right": False})
    FIGURES.mkdir(exist_ok=True)
    for name, draw in (("error-rates", error_rates), ("power", power)):
        figure = draw()
        figure.savefig(FIGURES / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
