"""Finding a study: by its name, or in a YAML file of a user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, Strict, model_validator

from agbench.core import files
from agbench.core.codec import codecs
from agbench.core.condition import JPEG, Preprocessing
from agbench.core.errors import UserError, look_up, unknown
from agbench.core.strict_yaml import StrictModel, read_yaml
from agbench.models import registry
from agbench.studies.study import PAPER, STUDIES, Study, Treatment, at_levels

STUDY_SUFFIXES = (".yaml", ".yml")


def _is_level(level: float) -> float:
    try:
        Preprocessing.at(level)
    except UserError as error:
        raise ValueError(str(error)) from error
    return level


def _is_model(name: str) -> str:
    try:
        registry.find_model(name)
    except UserError as error:
        raise ValueError(str(error)) from error
    return name


def _is_codec(name: str) -> str:
    try:
        look_up("codec", name, codecs())
    except UserError as error:
        raise ValueError(str(error)) from error
    return name


# Strict: YAML's true would be 1.0 otherwise.
Level = Annotated[float, Strict(), AfterValidator(_is_level)]
NoiseVariance = Annotated[float, Strict(), Field(gt=0, allow_inf_nan=False)]
CodecName = Annotated[str, AfterValidator(_is_codec)]


class _Treatment(StrictModel):
    level: Level = 1.0
    noise: NoiseVariance | None = None
    test_level: Level | None = None
    codec: CodecName = JPEG


class _Study(StrictModel):
    summary: str = "a study of one's own"
    models: Annotated[tuple[Annotated[str, AfterValidator(_is_model)], ...], Field(min_length=1)]
    levels: tuple[Level, ...] = ()
    codecs: Annotated[tuple[CodecName, ...], Field(min_length=1)] = (JPEG,)
    treatments: tuple[_Treatment, ...] = ()

    @model_validator(mode="after")
    def _has_images(self) -> _Study:
        if not self.levels and not self.treatments:
            raise ValueError("it needs levels, or treatments")
        if "codecs" in self.model_fields_set and not self.levels:
            raise ValueError("codecs are those of levels, and it has none: give each treatment its codec")
        return self


def find_studies(name: str) -> list[Study]:
    """Return the studies that a name stands for.

    Parameters
    ----------
    name : str
        One of `agbench.studies.study.STUDIES`, ``"paper"`` for all of the paper's, or the path of a YAML file.

    Returns
    -------
    list of Study

    Raises
    ------
    UserError
        If there is no such study, or the file is wrong: one line with file, key and value.

    Examples
    --------
    >>> len(find_studies("paper"))
    6
    """
    if name == "paper":
        return [STUDIES[one] for one in PAPER]
    if name.lower().endswith(STUDY_SUFFIXES):
        return [read_study(files.expanded(name))]
    if name not in STUDIES:
        raise unknown("study", name, [*STUDIES, "paper", "FILE.yaml"])
    return [STUDIES[name]]


def read_study(file: Path) -> Study:
    """Read a user's own study.

    Parameters
    ----------
    file : Path
        YAML with ``models``, and ``levels`` (each with each of ``codecs``) or ``treatments`` (each with ``level``,
        ``noise``, ``test_level``, ``codec``).

    Returns
    -------
    Study

    Raises
    ------
    UserError
        If it is wrong: one line with the file, and each wrong key and value.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "mine.yaml"
    ...     _ = file.write_text("{models: ['tabular:dct'], levels: [1.0, 0.3]}")
    ...     read_study(file).models
    ('tabular:dct',)
    """
    read = read_yaml(file, _Study, "study")
    treatments = tuple(Treatment(one.level, one.noise, one.test_level, one.codec) for one in read.treatments)
    return Study(read.summary, read.models, (*at_levels(*read.levels, codecs=read.codecs), *treatments))
