"""The paper's own numbers, Tables I to IV, and what does not agree among them.

Nayak and Friedland, "Deep Layers Beware". Every printed cell is here; what the paper derives from other cells
(drops, relative sizes, relative performance) is derived again by `audit`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from agbench.core.condition import PAPER_LEVEL

EPOCHS = 10
"""Of its trainings (sections II-B and II-C)."""

MEGABYTES_A_GIGABYTE = 1024
"""With 1,000, Caltech256's 33.14 % would not follow from its 1.1 GB and 373.3 MB."""

HALF_A_DIGIT = 0.00006
"""How far a figure of four decimals may lie from the one derived from others of four."""


@dataclass(frozen=True)
class Counts:
    """A row of Table I: classes, and images in all and in each part."""

    classes: int
    images: int
    train: int
    test: int
    validation: int


@dataclass(frozen=True)
class Accuracies:
    """A row of Table II: EfficientNet-B0 and B4, 10 epochs; accuracies 0 to 1, drops against the first.

    Parameters
    ----------
    small, small_drop : float
        B0 on original images.
    compressed, compressed_drop : float
        B0 at level 0.3.
    large, large_drop : float
        B4 on original images.
    """

    small: float
    small_drop: float
    compressed: float
    compressed_drop: float
    large: float
    large_drop: float


@dataclass(frozen=True)
class Storage:
    """A row of Table III: EfficientNet-B0, 10 epochs, original and level 0.3.

    Parameters
    ----------
    original, compressed : float
        Megabytes on disk.
    relative_size : float
        As printed, 0 to 1.
    original_accuracy, compressed_accuracy : float
        0 to 1.
    relative_accuracy : float
        As printed, 0 to 1.
    """

    original: float
    compressed: float
    relative_size: float
    original_accuracy: float
    compressed_accuracy: float
    relative_accuracy: float


@dataclass(frozen=True)
class Noise:
    """The row of Table IV: AutoGluon on a data set that the paper does not name; accuracies 0 to 1."""

    clean: float
    noisy: float
    noisy_compressed: float


TABLE_1 = {
    "cifar100": Counts(100, 60_000, 36_000, 12_000, 12_000),
    "caltech256": Counts(257, 30_592, 18_356, 6_119, 6_117),
    "pets": Counts(37, 7_400, 4_440, 1_480, 1_480),
    "sun397": Counts(397, 108_754, 65_251, 21_751, 21_752),
    "dtd": Counts(47, 5_640, 3_384, 1_128, 1_128),
    "cifar10": Counts(10, 60_000, 36_000, 12_000, 12_000),
}
TABLE_2 = {
    "dtd": Accuracies(0.6519, 0, 0.6545, 0, 0.5286, -0.1233),
    "pets": Accuracies(0.9182, -0.0013, 0.9169, -0.0013, 0.8717, -0.0465),
    "caltech256": Accuracies(0.8551, -0.0087, 0.8464, -0.0087, 0.8379, -0.0172),
    "cifar10": Accuracies(0.9617, -0.1095, 0.8522, -0.1095, 0.9617, -0.0182),
    "sun397": Accuracies(0.6815, -0.0039, 0.6776, -0.0039, 0.652, -0.0295),
}
TABLE_3 = {
    "dtd": Storage(602.5, 133.8, 0.2221, 0.6519, 0.6545, 1.0),
    "pets": Storage(759.6, 104.6, 0.1377, 0.9182, 0.9169, 0.9986),
    "caltech256": Storage(1.1 * MEGABYTES_A_GIGABYTE, 373.3, 0.3314, 0.8551, 0.8464, 0.9898),
    "cifar10": Storage(129.3, 44.3, 0.3426, 0.9617, 0.8522, 0.8861),
    "sun397": Storage(37 * MEGABYTES_A_GIGABYTE, 8.1 * MEGABYTES_A_GIGABYTE, 0.2189, 0.6815, 0.6776, 0.9943),
    "cifar100": Storage(127.7, 44.3, 0.3469, 0.83, 0.64, 0.7711),
}
TABLE_4 = Noise(0.96, 0.79, 0.76)


@dataclass(frozen=True)
class Disagreement:
    """A printed cell that does not follow from the others.

    Parameters
    ----------
    table : str
        ``"I"``, ``"II"`` or ``"III"``.
    dataset : str
        Name of the data set.
    column : str
        Which cell.
    printed, derived : float
        What stands there, and what the other cells give.
    remark : str
        What that means.
    """

    table: str
    dataset: str
    column: str
    printed: float
    derived: float
    remark: str


def audit() -> list[Disagreement]:
    """Derive every derived cell again, and list those that do not agree with what is printed.

    Examples
    --------
    >>> len(audit())
    7
    """
    return [*_audit_table_1(), *_audit_table_2(), *_audit_table_3()]


def _audit_table_1() -> Iterator[Disagreement]:
    for dataset, row in TABLE_1.items():
        total = row.train + row.test + row.validation
        if total != row.images:
            yield Disagreement("I", dataset, "images", row.images, total, "the parts have another sum")


def _audit_table_2() -> Iterator[Disagreement]:
    for dataset, row in TABLE_2.items():
        if row.small_drop != 0:
            remark = "the drop of the compressed images stands where the base has none"
            yield Disagreement("II", dataset, "small model, drop", row.small_drop, 0.0, remark)
        for column, accuracy, printed in (
            ("compressed input, drop", row.compressed, row.compressed_drop),
            ("large model, drop", row.large, row.large_drop),
        ):
            derived = accuracy - row.small
            if printed == 0 and derived > 0:
                yield Disagreement("II", dataset, column, printed, derived, "a gain, printed as no drop")
            elif abs(derived - printed) > HALF_A_DIGIT:
                remark = f"either the accuracy is {row.small + printed:.4f}, or the drop is {derived:+.4f}"
                yield Disagreement("II", dataset, column, printed, derived, remark)


def _audit_table_3() -> Iterator[Disagreement]:
    for dataset, row in TABLE_3.items():
        size, kept = row.compressed / row.original, row.compressed_accuracy / row.original_accuracy
        if abs(size - row.relative_size) > HALF_A_DIGIT:
            yield Disagreement("III", dataset, "relative size", row.relative_size, size, "")
        if abs(kept - row.relative_accuracy) > HALF_A_DIGIT:
            remark = "a gain, printed as 100 %" if kept > 1 else ""
            yield Disagreement("III", dataset, "relative performance", row.relative_accuracy, kept, remark)


@dataclass(frozen=True)
class Printed:
    """A cell of the paper, with what of ours stands beside it.

    Parameters
    ----------
    table, column : str
        Which cell of the data set's row.
    value : float
        As printed: accuracies and shares 0 to 1, sizes in megabytes.
    model : str
        The model whose result is the same cell of ours; empty for sizes, which no model changes.
    level : float
        Its level.
    quantity : str
        ``"count"``, ``"accuracy"``, ``"size"``, ``"relative size"``, ``"relative accuracy"``, or ``"drop"``: the
        last two against the small model on original images.
    """

    table: str
    column: str
    value: float
    model: str
    level: float
    quantity: str


SMALL, LARGE = "automm:efficientnet_b0", "automm:efficientnet_b4"


def printed(dataset: str) -> list[Printed]:
    """Return the cells of a data set's rows in Tables I to III; none for a data set that the paper has not.

    Examples
    --------
    >>> len(printed("dtd"))
    17
    >>> printed("mine")
    []
    """
    cells = []
    if dataset in TABLE_1:
        counts = asdict(TABLE_1[dataset])
        cells += [Printed("I", name, value, "", 1.0, "count") for name, value in counts.items()]
    if dataset in TABLE_2:
        row = TABLE_2[dataset]
        cells += [
            Printed("II", "small model", row.small, SMALL, 1.0, "accuracy"),
            Printed("II", "small model, drop", row.small_drop, SMALL, 1.0, "drop"),
            Printed("II", "compressed input", row.compressed, SMALL, PAPER_LEVEL, "accuracy"),
            Printed("II", "compressed input, drop", row.compressed_drop, SMALL, PAPER_LEVEL, "drop"),
            Printed("II", "large model", row.large, LARGE, 1.0, "accuracy"),
            Printed("II", "large model, drop", row.large_drop, LARGE, 1.0, "drop"),
        ]
    if dataset in TABLE_3:
        storage = TABLE_3[dataset]
        cells += [
            Printed("III", "original size", storage.original, "", 1.0, "size"),
            Printed("III", "compressed size", storage.compressed, "", PAPER_LEVEL, "size"),
            Printed("III", "relative size", storage.relative_size, "", PAPER_LEVEL, "relative size"),
            Printed("III", "original accuracy", storage.original_accuracy, SMALL, 1.0, "accuracy"),
            Printed("III", "compressed accuracy", storage.compressed_accuracy, SMALL, PAPER_LEVEL, "accuracy"),
            Printed(
                "III", "relative performance", storage.relative_accuracy, SMALL, PAPER_LEVEL, "relative accuracy"
            ),
        ]
    return cells
