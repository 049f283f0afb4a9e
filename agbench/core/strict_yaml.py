"""Read a YAML file into a model, strictly: cards of data sets, and studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from agbench.core.errors import UserError, unknown

M = TypeVar("M", bound="StrictModel")


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
        messages = (_message(one, model) for one in error.errors())
        raise UserError(f"{file.name}: {'; '.join(messages)}") from error


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


def _message(error: ErrorDetails, model: type[StrictModel]) -> str:
    key = ".".join(map(str, error["loc"])) or "the file"
    if error["type"] == "extra_forbidden":
        return f"{key}: {unknown('key', str(error['loc'][-1]), _keys(model, error['loc'][:-1]))}"
    words = _WORDS.get(error["type"], error["msg"].removeprefix("Value error, "))
    return f"{key}: {words}, got {error['input']!r}"


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
