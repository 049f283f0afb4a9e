"""Finding a study: by its name, or in a YAML file of a user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from agbench.core import files
from agbench.core.condition import JPEG, Preprocessing
from agbench.core.errors import UserError, look_up, unknown
from agbench.models import registry
from agbench.preprocess.codec import CODECS
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
        look_up("codec", name, CODECS)
    except UserError as error:
        raise ValueError(str(error)) from error
    return name


# Strict: YAML's true would be 1.0 otherwise.
Level = Annotated[float, Strict(), AfterValidator(_is_level)]
Noise = Annotated[float, Strict(), Field(gt=0, allow_inf_nan=False)]
Codec = Annotated[str, AfterValidator(_is_codec)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Treatment(_Strict):
    level: Level = 1.0
    noise: Noise | None = None
    test_level: Level | None = None
    codec: Codec = JPEG


class _Study(_Strict):
    summary: str = "a study of one's own"
    models: Annotated[tuple[Annotated[str, AfterValidator(_is_model)], ...], Field(min_length=1)]
    levels: tuple[Level, ...] = ()
    codecs: Annotated[tuple[Codec, ...], Field(min_length=1)] = (JPEG,)
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
    """
    try:
        plain: Any = yaml.load(file.read_text(encoding="utf-8"), _UniqueKeys)
    except OSError as error:
        raise UserError(f"the study {file} can't be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{file.name} is not YAML: {' '.join(str(error).split())}") from error
    try:
        read = _Study.model_validate(plain)
    except ValidationError as error:
        raise UserError(f"{file.name}: {'; '.join(map(_said, error.errors()))}") from error
    treatments = tuple(Treatment(one.level, one.noise, one.test_level, one.codec) for one in read.treatments)
    return Study(read.summary, read.models, (*at_levels(*read.levels, codecs=read.codecs), *treatments))


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key that stands twice: YAML would take the last one without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = [key for key in keys if isinstance(key, str) and keys.count(key) > 1]
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice[0]!r} stands twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


def _said(error: ErrorDetails) -> str:
    key = ".".join(map(str, error["loc"])) or "the file"
    if error["type"] == "extra_forbidden":
        known = _Treatment.model_fields if len(error["loc"]) > 1 else _Study.model_fields
        return f"{key}: {unknown('key', str(error['loc'][-1]), known)}"
    said = _WORDS.get(error["type"], error["msg"].removeprefix("Value error, "))
    return f"{key}: {said}, got {error['input']!r}"


_WORDS = {
    "missing": "it is missing",
    "tuple_type": "it should be a list",
    "model_type": "it should be a mapping of keys to values",
    "float_type": "it should be a number",
}
"""For what pydantic says in Python's words."""
