"""The paper's claims, and what the results say of each.

A claim is supported, or not, only where an interval lies wholly on one side: one small data set with one seed
decides little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from agbench.analysis import intervals
from agbench.analysis.cell import paired
from agbench.analysis.corrected import judged_levels
from agbench.analysis.evidence import Evidence
from agbench.analysis.intervals import MARGIN, Comparison, Verdict
from agbench.core.condition import ORIGINAL_LEVEL, PAPER_LEVEL
from agbench.core.enums import StrEnum
from agbench.data.originals import described
from agbench.reporting import commands
from agbench.reporting.tables import table
from agbench.reporting.tables.measures import epochs_by_seed
from agbench.reporting.tables.table import Column, Table
from agbench.store.record import Record
from agbench.studies.study import PAPER_LEVELS, PAPER_NOISE, STUDIES, TABULAR


class Support(StrEnum):
    """Whether results support a claim."""

    SUPPORTED = "supported"
    NOT_SUPPORTED = "not supported"
    NOT_DECIDED = "not decided"
    NOT_RUN = "not run"


SUPPORTED, NOT_SUPPORTED, NOT_DECIDED, NOT_RUN = Support

SAVED = 0.65
"""The least that the paper saves (table III)."""

LOSS = intervals.in_points(MARGIN)

FASTER = 0.1
"""Share of the original's epochs that must be saved to be faster; one at least, as they are whole numbers."""

FEWEST_SEEDS = 3
"""For a verdict that rests on seeds alone: with two, that they agree may be chance."""


@dataclass(frozen=True)
class Finding:
    """What results say of a claim.

    Parameters
    ----------
    verdict : Support
        Whether results support the claim.
    numbers : str
        What it rests on; for what was not run, the command that would run it.
    test : str
        How the verdict is found, where that depends on the data set; empty otherwise.
    is_one_training : bool
        Whether it rests on one training of a network: another one may say otherwise.
    """

    verdict: Support
    numbers: str
    test: str = ""
    is_one_training: bool = False

    def __str__(self) -> str:
        decided = self.verdict in (SUPPORTED, NOT_SUPPORTED)
        return f"{self.verdict} ({intervals.THIS_TRAINING})" if decided and self.is_one_training else self.verdict


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Parameters
    ----------
    words : str
        The paper's, in short.
    section : str
        Section, table or figure of the paper.
    test : str
        Rule by which it is supported.
    study : str
        The study that it needs.
    find : callable
        Reads it off the evidence; ``None`` where results are missing.
    rests_on_images : bool
        Whether its intervals take the test images for a sample.
    """

    words: str
    section: str
    test: str
    study: str
    find: Callable[[Evidence], Finding | None]
    rests_on_images: bool = True


def findings(evidence: Evidence) -> list[tuple[Claim, Finding]]:
    """Return what the results say of each claim: those on JPEG and on the original, as in the paper."""
    found = [(claim, claim.find(evidence.jpeg) or _without_results(evidence, claim.study)) for claim in CLAIMS]
    if evidence.is_withheld is False:
        return found
    why = "images seem to be related" if evidence.is_withheld else "related images have not been looked for"
    return [(claim, _withheld(finding, why) if claim.rests_on_images else finding) for claim, finding in found]


def _withheld(finding: Finding, why: str) -> Finding:
    """Return a finding of images that may be related, as if they were independent: it decides nothing."""
    if finding.verdict not in (SUPPORTED, NOT_SUPPORTED):
        return finding
    return replace(finding, verdict=NOT_DECIDED, numbers=f"{why}; {finding.numbers}")


def unfinished(evidence: Evidence, study: str) -> list[Record]:
    """Return the trials without a result that a study needs."""
    wanted = STUDIES[study]
    families = {model.partition(":")[0] for model in wanted.models}
    images = {(treatment.train, treatment.test) for treatment in wanted.treatments}
    return [
        record
        for record in evidence.failures
        if (record.condition.train, record.condition.test) in images
        and record.condition.model.partition(":")[0] in families
    ]


def claims_table(evidence: Evidence) -> Table:
    """Return one row per claim: the paper's words, the verdict, the test and the numbers."""
    columns = tuple(map(Column, ("claim", "verdict", "paper", "supported if", "numbers")))
    rows = tuple(
        (claim.words, str(finding), claim.section, finding.test or claim.test, finding.numbers)
        for claim, finding in findings(evidence)
    )
    return Table("claims", columns, rows)


def _without_results(evidence: Evidence, study: str) -> Finding:
    failed = unfinished(evidence, study)
    command = commands.for_study(evidence, study)
    if not failed:
        return Finding(NOT_RUN, f"run: {command}")
    first = failed[0]
    reason = f"{first.condition.model} on {first.condition.train}: {first.reason or first.status.lower()}"
    return Finding(NOT_DECIDED, f"{len(failed)} of its trials have no result ({reason}); again: {command}")


def _negligible_drop(evidence: Evidence) -> Finding | None:
    series = evidence.main
    if series is None or not series.compared or series.tolerance is None:
        return None
    tolerance = series.tolerance
    wanted = [level for level in PAPER_LEVELS if PAPER_LEVEL <= level < ORIGINAL_LEVEL]
    lacking = [level for level in wanted if level not in series.compared]
    verdicts = {level: one.verdict for level, one in judged_levels(series).items() if level >= PAPER_LEVEL}
    numbers = f"{series.name}: tolerance {tolerance.level:g} ({tolerance.lowest:g} to {tolerance.level:g})"
    if PAPER_LEVEL in series.compared:
        numbers += f"; at {PAPER_LEVEL:g} {_shown(series.compared[PAPER_LEVEL])}"
    lost = [level for level, verdict in verdicts.items() if verdict == Verdict.INFERIOR]
    numbers += f"; certainly lost at {_levels(lost)}" if lost else ""
    numbers += f"; without a result: {_levels(lacking)}" if lacking else ""
    is_one_training = series.is_one_training
    kept = tolerance.level <= PAPER_LEVEL and not lacking
    if evidence.tiny:
        test = f"images are tiny here, so: some level from {PAPER_LEVEL:g} up loses more than {LOSS} (Holm)"
        return Finding(
            SUPPORTED if lost else NOT_SUPPORTED if kept else NOT_DECIDED,
            numbers,
            test,
            is_one_training,
        )
    return Finding(
        SUPPORTED if kept else NOT_SUPPORTED if lost else NOT_DECIDED,
        numbers,
        "",
        is_one_training,
    )


def _storage_saved(evidence: Evidence) -> Finding | None:
    cell = next((series.cells[PAPER_LEVEL] for series in evidence.series if PAPER_LEVEL in series.cells), None)
    if cell is None:
        return None
    saved = 1 - cell.byte_ratio
    said = f"{saved:.1%} saved" if saved >= 0 else f"{-saved:.1%} more than before"
    numbers = f"{said}: {table.size(cell.bytes)}, originals {table.size(cell.bytes_original)}"
    numbers += f" ({originals})" if (originals := described(evidence.facts)) else ""
    return Finding(SUPPORTED if saved >= SAVED else NOT_SUPPORTED, numbers)


def _cheaper_than_a_larger_model(evidence: Evidence) -> Finding | None:
    if not evidence.sizes:
        return None
    small, large = evidence.sizes[0], evidence.sizes[-1]
    one = paired(small.cells.get(PAPER_LEVEL), large.original, margin=0)
    if one is None:
        return None
    numbers = f"{small.name} at {PAPER_LEVEL:g} minus {large.name} at 1: {_shown(one)}"
    return Finding(_sign(one), numbers, "", one.is_one_training)


def _no_faster_convergence(evidence: Evidence) -> Finding | None:
    series = evidence.main
    if series is None or series.original is None:
        return None
    base = epochs_by_seed(series.original)
    by_seed = {}
    for seed, original in base.items():
        others = [
            epochs[seed] - original
            for level, cell in series.cells.items()
            if level != ORIGINAL_LEVEL and seed in (epochs := epochs_by_seed(cell))
        ]
        if others:
            by_seed[seed] = sum(others) / len(others)
    if not by_seed:
        return None
    each = " / ".join(f"{value:+.2f}" for value in by_seed.values())
    numbers = f"{series.name}: epochs more than the original's, mean over levels, each seed: {each}"
    interval = intervals.mean(list(by_seed.values()))
    if interval is None or len(by_seed) < FEWEST_SEEDS:
        return Finding(NOT_DECIDED, f"{numbers}; at least {FEWEST_SEEDS} seeds are needed")
    if max(base.values()) == 1:
        return Finding(NOT_DECIDED, f"{numbers}; the original is there after one epoch: nothing can be faster")
    if interval.low == interval.high:
        return Finding(NOT_DECIDED, f"{numbers}; all seeds agree: epochs are too coarse to measure it")
    numbers += f"; {interval.value:+.2f} ({interval.low:+.2f} to {interval.high:+.2f})"
    least = max(1.0, FASTER * sum(base[seed] for seed in by_seed) / len(by_seed))
    numbers += f"; {least:.3g} would be faster"
    return Finding(
        NOT_SUPPORTED if interval.high <= -least else SUPPORTED if interval.low > -least else NOT_DECIDED,
        numbers,
    )


def _no_gain_for_a_smaller_model(evidence: Evidence) -> Finding | None:
    gains, lacking = [], []
    for place, small in enumerate(evidence.sizes[:-1]):
        gain = paired(small.cells.get(PAPER_LEVEL), small.original, margin=0)
        if gain is None:
            lacking.append(small.name)
            continue
        reach = [
            paired(small.cells.get(PAPER_LEVEL), large.original)
            for large in evidence.sizes[place + 1 :]
            if (before := paired(small.original, large.original, margin=0)) and before.verdict == Verdict.INFERIOR
        ]
        gains.append((small, gain, any(one is not None and one.verdict == Verdict.NOT_INFERIOR for one in reach)))
    if not gains:
        return None
    numbers = "; ".join(f"{small.name} gains {_shown(gain)}" for small, gain, _ in gains)
    numbers += f"; without a result: {', '.join(lacking)}" if lacking else ""
    is_one_training = any(gain.is_one_training for _, gain, _ in gains)
    certain = intervals.holm([gain.p_not_inferior for _, gain, _ in gains])
    if any(p <= intervals.ONE_SIDED and reached for p, (*_, reached) in zip(certain, gains, strict=True)):
        return Finding(NOT_SUPPORTED, numbers, "", is_one_training)
    none = not lacking and all(gain.difference.high < MARGIN for _, gain, _ in gains)
    return Finding(SUPPORTED if none else NOT_DECIDED, numbers, "", is_one_training)


def _tabular_below_deep(evidence: Evidence) -> Finding | None:
    deep = evidence.main
    if deep is None:
        return None
    compared = [
        (series, paired(series.cells.get(PAPER_LEVEL), deep.cells.get(PAPER_LEVEL)))
        for series in evidence.tabular
        if series.budget.folds == deep.budget.folds
    ]
    found = [(series, one) for series, one in compared if one is not None]
    if not found:
        return None
    there = {series.model for series, _ in found}
    lacking = [model for model in TABULAR if model not in there]
    lacking += [series.name for series, one in compared if one is None and series.model not in lacking]
    numbers = f"against {deep.name} at {PAPER_LEVEL:g}: "
    numbers += "; ".join(f"{series.name} {_shown(one)}" for series, one in found)
    numbers += f"; without a result: {', '.join(lacking)}" if lacking else ""
    is_one_training = any(one.is_one_training for _, one in found)
    certain = intervals.holm([one.p_not_inferior for _, one in found])
    if any(p <= intervals.ONE_SIDED for p in certain):
        return Finding(NOT_SUPPORTED, numbers, "", is_one_training)
    below = not lacking and all(one.verdict == Verdict.INFERIOR for _, one in found)
    return Finding(SUPPORTED if below else NOT_DECIDED, numbers, "", is_one_training)


def _no_rescue_from_noise(evidence: Evidence) -> Finding | None:
    for series in evidence.noisy:
        gain = paired(series.cells.get(PAPER_LEVEL), series.noisy)
        loss = paired(series.noisy, series.clean)
        if gain is None or loss is None or series.noise != PAPER_NOISE:
            continue
        numbers = f"{series.name}: noise changes {_shown(loss)}; compressing the noisy {_shown(gain)}"
        is_one_training = gain.is_one_training or loss.is_one_training
        if loss.verdict != Verdict.INFERIOR:
            return Finding(NOT_DECIDED, f"{numbers}: noise did not certainly cost {LOSS}")
        if gain.difference.high < MARGIN:
            return Finding(SUPPORTED, numbers, "", is_one_training)
        return Finding(
            NOT_SUPPORTED if gain.difference.low >= MARGIN else NOT_DECIDED, numbers, "", is_one_training
        )
    return None


def _sign(one: Comparison) -> Support:
    """Read a comparison without a margin: whether the difference is certainly positive, or negative."""
    if one.difference.low > 0:
        return SUPPORTED
    return NOT_SUPPORTED if one.difference.high < 0 else NOT_DECIDED


def _shown(one: Comparison) -> str:
    return f"{table.difference(one.difference)}, {one.images:,} images, {one.trainings}"


def _levels(levels: Iterable[float]) -> str:
    return ", ".join(f"{level:g}" for level in levels)


CLAIMS = (
    Claim(
        f"negligible drop until level {PAPER_LEVEL:g}, but not for tiny images",
        "II-A, figure 2",
        f"{PAPER_LEVEL:g} and each of the paper's levels above lose less than {LOSS} "
        "(each one-sided at 2.5 %, downwards)",
        "compression",
        _negligible_drop,
    ),
    Claim(
        "65 to 86 % of storage saved",
        "II-C, table III",
        f"at {PAPER_LEVEL:g} at least {100 * SAVED:.0f} % of the bytes are saved (counted)",
        "storage",
        _storage_saved,
        rests_on_images=False,
    ),
    Claim(
        "compressing costs less accuracy than going to the larger model at the same epochs",
        "II-B, table II",
        f"the small model at {PAPER_LEVEL:g} is more accurate than the largest on originals "
        "(95 % interval above 0)",
        "model-size",
        _cheaper_than_a_larger_model,
    ),
    Claim(
        "no faster convergence",
        "III-B, figure 3",
        f"compressing does not save {100 * FASTER:.0f} % of the epochs to 95 % of the final validation accuracy, "
        "and one epoch at least (95 % interval over seeds)",
        "convergence",
        _no_faster_convergence,
        rests_on_images=False,
    ),
    Claim(
        "no smaller model reaches the same accuracy through compression",
        "abstract, IV",
        f"no smaller model gains {LOSS} by compressing (95 % intervals below)",
        "model-size",
        _no_gain_for_a_smaller_model,
    ),
    Claim(
        "tabular classifiers do not reach deep ones on compressed images",
        "abstract",
        f"every tabular model loses {LOSS} or more to the deep one at {PAPER_LEVEL:g} (95 % intervals below "
        f"-{MARGIN:g}); not supported if one certainly loses less (Holm)",
        "tabular",
        _tabular_below_deep,
    ),
    Claim(
        "JPEG does not rescue noisy input",
        "III-A, table IV",
        f"noise costs {LOSS} or more, and compressing the noisy images gains less (95 % intervals)",
        "noise",
        _no_rescue_from_noise,
    ),
)
"""In the order of the paper."""
