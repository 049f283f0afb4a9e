"""Read a YAML file into a model, strictly: cards of data sets, and studies."""

from __future__ import annotations

import reprlib
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from agbench.core.errors import UserError, unknown

M = TypeVar("M", bound="StrictModel")

MOST_MISTAKES = 10
"""Wrong keys and values that a message names, at most."""

_MOST_BITS = 256
"""Of a whole number that a message shows."""


class StrictModel(BaseModel):
    """A frozen model that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_yaml(file: Path, model: type[M], noun: str) -> M:
    """Return the content of a YAML file as a model.

    Parameters
    ----------
    file : Path
        YAML; no key may stand twice.
    model : type
        Model that checks keys and values.
    noun : str
        What the file holds, such as ``"study"``, for messages.

    Returns
    -------
    StrictModel
        An instance of `model`.

    Raises
    ------
    UserError
        If the file can't be read, or is wrong: one line with the file, and each wrong key and value.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> class Point(StrictModel):
    ...     x: int
    >>> with TemporaryDirectory() as folder:
    ...     _ = (file := Path(folder) / "point.yaml").write_text("x: 1")
    ...     read_yaml(file, Point, "point")
    Point(x=1)
    """
    try:
        plain: Any = yaml.load(file.read_text(encoding="utf-8"), _UniqueKeys)
    except OSError as error:
        raise UserError(f"the {noun} {file} can't be read: {error.strerror}") from error
    except RecursionError as error:
        raise UserError(f"{file.name} is not YAML: it is nested too deep") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file.name} is not YAML: {' '.join(str(error).split())}") from error
    try:
        return model.model_validate(plain)
    except ValidationError as error:
        mistakes = error.errors()
        messages = [_message(one, model) for one in mistakes[:MOST_MISTAKES]]
        more = [f"and {len(mistakes) - MOST_MISTAKES:,} more"] if len(mistakes) > MOST_MISTAKES else []
        raise UserError(f"{file.name}: {'; '.join([*messages, *more])}") from error


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key that stands twice: YAML would take the last one without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode):
            return super().construct_mapping(node, deep)  # raises; it is tagged as what it isn't
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = [key for key in keys if isinstance(key, str) and keys.count(key) > 1]
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice[0]!r} stands twice", node.start_mark
            )
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        # What PyYAML raises for a value that its tag, or its look, says more of than is true, as 2026-13-45 does.
        except (ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:
            kind = node.tag.rpartition(":")[2]
            raise yaml.constructor.ConstructorError(
                None, None, f"{_shown(node.value)} is no {kind}", node.start_mark
            ) from error


class _Short(reprlib.Repr):
    """Shows the beginning of a value: aliases can make a small file a value without an end."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxlist, self.maxtuple, self.maxdict, self.maxset = 3, 6, 6, 6, 6
        self.maxstring, self.maxother = 200, 200

    def repr_int(self, x: int, level: int) -> str:
        return "a number of many digits" if x.bit_length() > _MOST_BITS else repr(x)


_shown = _Short().repr


def _message(error: ErrorDetails, model: type[StrictModel]) -> str:
    key = ".".join(" ".join(str(part).split()) for part in error["loc"]) or "the file"
    if error["type"] == "extra_forbidden":
        return f"{key}: {unknown('key', str(error['loc'][-1]), _keys(model, error['loc'][:-1]))}"
    words = _WORDS.get(error["type"], error["msg"].removeprefix("Value error, "))
    return f"{key}: {words}, got {_shown(error['input'])}"


def _keys(model: type[StrictModel], place: tuple[int | str, ...]) -> list[str]:
    """Return the keys that are known at a place in the file."""
    for part in place:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return [*model.model_fields]


def _model_in(annotation: Any) -> type[StrictModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, StrictModel):
        return annotation
    inner = (_model_in(one) for one in getattr(annotation, "__args__", ()))
    return next((one for one in inner if one is not None), None)


_WORDS = {
    "missing": "it is missing",
    "tuple_type": "it should be a list",
    "model_type": "it should be a mapping of keys to values",
    "float_type": "it should be a number",
}
"""For what pydantic says in Python's words."""
