"""Options that several commands share: images, settings of a budget, lists of values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import cloup

from agbench.core.errors import UserError

if TYPE_CHECKING:
    from agbench.core.condition import Budget
    from agbench.data.selection import ImageSelection

F = TypeVar("F", bound=Callable[..., Any])

_IMAGES = cloup.option_group(
    "Images",
    cloup.option(
        "--dataset", metavar="NAME|FOLDER", help="As `agbench datasets` lists them, or a folder of class folders."
    ),
    cloup.option(
        "--csv",
        "table",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A table of images and labels instead; paths in it are relative to it.",
    ),
    cloup.option("--image-column", default="image", show_default=True, help="Of --csv: the images' paths."),
    cloup.option("--label-column", default="label", show_default=True, help="Of --csv: their labels."),
    cloup.option("--group-column", metavar="NAME", help="Of --csv: images with the same value belong together."),
    cloup.option("--group-by", metavar="PATTERN|folder", help="Or those whose paths match alike: 'photo(\\d+)_'."),
    cloup.option("--independent", is_flag=True, help="No images belong together, whatever they look like."),
    cloup.option("--nested", is_flag=True, help="Each folder of images is a class, named by its whole path."),
    cloup.option(
        "--source", metavar="ARCHIVE|FOLDER|URL", help="Take the data set from there, not its addresses."
    ),
    cloup.option(
        "--accept-unverified", is_flag=True, help="Take a source with another checksum, or other counts, too."
    ),
    cloup.option("--drop-small-classes", is_flag=True, help="Leave out classes too small to be split."),
)


class Listed(click.ParamType[tuple[Any, ...]]):
    """Comma-separated values; duplicates are dropped."""

    def __init__(self, kind: Callable[[str], Any], name: str) -> None:
        self.kind = kind
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the values as a tuple."""
        if isinstance(value, tuple):
            return value
        try:
            values = tuple(self.kind(part.strip()) for part in value.split(",") if part.strip())
        except ValueError:
            values = ()
        if not values:
            self.fail(f"{value!r} is not a comma-separated list of {self.name}s", param, ctx)
        return tuple(dict.fromkeys(values))


class Share(click.ParamType[float]):
    """A share: ``0.01``, or ``1%``."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the share as a number."""
        text = str(value).strip()
        try:
            return float(text[:-1]) / 100 if text.endswith("%") else float(text)
        except ValueError:
            self.fail(f"{value!r} is not a share: use 0.01, or 1%", param, ctx)


class Duration(click.ParamType[float]):
    """A duration in seconds: ``90s``, ``10m`` or ``1h30m``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds."""
        from agbench.core.progress import seconds_of

        try:
            return seconds_of(str(value))
        except UserError as error:
            self.fail(str(error), param, ctx)


def metric_option(command: F) -> F:
    """Add the option ``--metric`` to a command."""
    # The names are not listed here: that would import NumPy for help. A wrong one is answered with all of them.
    said = "What decides: balanced_accuracy, log_loss, ... A margin is in its unit: a share, or nats of log_loss."
    return click.option("--metric", default="accuracy", show_default=True, metavar="NAME", help=said)(command)


def images_options(command: F) -> F:
    """Add the options to a command; the command collects their values with `selection_of`."""
    return _IMAGES(command)


def budget_options(command: F) -> F:
    """Add an option for each setting of a `Budget`; the command collects their values with `budget_of`."""
    from agbench.core.condition import Budget

    options = []
    for setting in fields(Budget):
        limits, kind = setting.metadata, str(setting.type)
        option_type: click.ParamType[Any]
        if kind.startswith("tuple"):
            option_type = Listed(str, setting.name.removesuffix("s"))
        elif kind.startswith("int"):
            option_type = click.IntRange(limits["least"])
        elif kind.startswith("float"):
            option_type = click.FloatRange(limits["above"], min_open=True)
        else:
            option_type = click.STRING
        name = "--" + setting.name.replace("_", "-")
        options.append(cloup.option(name, type=option_type, help=limits["help"], metavar=limits["metavar"]))
    return cloup.option_group("Budget of the models", *options)(command)


def budget_of(options: dict[str, Any]) -> Budget:
    """Return the budget of a command's keywords, and remove its settings from them.

    Examples
    --------
    >>> from agbench.core.condition import Budget
    >>> options = {setting.name: None for setting in fields(Budget)} | {"epochs": 3, "levels": (0.3,)}
    >>> budget_of(options).epochs, options
    (3, {'levels': (0.3,)})
    """
    from agbench.core.condition import Budget

    settings = {setting.name: options.pop(setting.name) for setting in fields(Budget)}
    for name, value in settings.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{value} is not a value for --{name.replace('_', '-')}: use a finite number")
    return Budget(**settings)


def selection_of(options: dict[str, Any], folder: str | None = None) -> ImageSelection:
    """Return the images that a command's keywords mean, and remove these from them.

    Parameters
    ----------
    options : dict
        Keywords of a command with `images_options`.
    folder : str, optional
        Folder of class folders that was given as an argument.
    """
    from agbench.data.selection import ImageSelection

    names = [one.name for one in fields(ImageSelection) if one.name != "folder"]
    chosen = {name: options.pop(name) for name in names}
    return ImageSelection(folder=None if folder is None else Path(folder), **chosen)
