"""What `agbench datasets` says of a data set, and `agbench codecs` of a codec."""

from __future__ import annotations

import textwrap

from agbench.core.codec import Codec
from agbench.core.errors import UserError
from agbench.data.catalogue import Catalogue
from agbench.data.dataset import is_prepared, read_marker
from agbench.data.splits import TEST, TRAIN, VALIDATION

LINE_LENGTH = 100


def describe(name: str, catalogue: Catalogue) -> str:
    """Return a data set's paragraph: counts beside the paper's, state, licence, citation.

    Parameters
    ----------
    name : str
        One of the catalogue's.
    catalogue : Catalogue
        Catalogue with its card.

    Returns
    -------
    str
        Lines, each at most about `LINE_LENGTH` characters long.
    """
    try:
        card = catalogue.card(name)
    except UserError as error:
        return describe_broken(name, str(error))
    lines = [f"{name}: {card.title}"]
    classes = "classes counted when prepared" if card.classes is None else f"{card.classes:,} classes"
    images = "images too" if card.images is None else f"{card.images:,} images"
    counts = f"{classes}, {images}"
    if card.paper is not None:
        paper = card.paper
        if (paper.classes, paper.images) != (card.classes, card.images):
            counts += f" (the paper: {paper.classes:,} and {paper.images:,})"
        counts += (
            f"; the paper's split: {paper.train:,} train, {paper.test:,} test, {paper.validation:,} validation"
        )
    lines.append(_line("has", counts))
    lines.append(_line("state", _state(name, catalogue)))
    for title, text in (("note", card.note), ("licence", card.licence), ("citation", card.citation)):
        if text:
            lines.append(_line(title, text))
    return "\n".join(lines)


def describe_codec(name: str, entry: Codec) -> str:
    """Return a codec's paragraph: its files, what a level means to it, and its library, or what to install.

    Parameters
    ----------
    name : str
        Its name.
    entry : Codec
        The codec.

    Returns
    -------
    str
        Lines, each at most about `LINE_LENGTH` characters long.
    """
    wanted = entry.missing()
    state = f"not available: install {wanted}" if wanted else entry.library()
    told = {"files": entry.suffix, "level r": entry.scale, "written": entry.settings, "library": state}
    return "\n".join([name, *(_line(title, text) for title, text in told.items())])


def describe_broken(name: str, reason: str) -> str:
    """Return the paragraph of a data set or a codec that can't be used.

    Parameters
    ----------
    name : str
        Its name.
    reason : str
        Why it can't be used.

    Examples
    --------
    >>> print(describe_broken("heif", "pillow_heif of the package heif ends in ImportError"))
    heif
      refused:  pillow_heif of the package heif ends in ImportError
    """
    return f"{name}\n{_line('refused', reason)}"


def _state(name: str, catalogue: Catalogue) -> str:
    if not is_prepared(name, catalogue.folder):
        return "not prepared yet; `agbench run` does that by itself"
    try:
        marker = read_marker(catalogue.folder / name)
        parts, classes = marker["parts"], marker["classes"]
    except (OSError, ValueError, KeyError):
        return "damaged, or of another release"
    split = ", ".join(f"{parts[part]:,} {part}" for part in (TRAIN, TEST, VALIDATION))
    return f"ready: {classes:,} classes, {sum(parts.values()):,} images ({split})"


def _line(title: str, text: str) -> str:
    return textwrap.fill(
        f"{title + ':':10}{' '.join(text.split())}",
        LINE_LENGTH,
        initial_indent="  ",
        subsequent_indent=" " * 12,
        break_long_words=False,
        break_on_hyphens=False,
    )
