"""Groups: images of one origin, which are not independent of each other.

Crops of a photograph, frames of a video, a burst, a patient's images: a group is never on two sides of a split or
fold, and intervals count groups.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from shlex import quote

import pandas as pd

from agbench.core.errors import UserError

INDEPENDENT, BY_FOLDER = "image", "folder"
"""What ``group_by`` may be beside a pattern: each image is a group of its own, or each folder is one."""

FEWEST = 73
"""Images below which related ones are not looked for: fewer can't exclude a loss of five points."""

HARMLESS = 1.1
"""Size of an average image's group up to which groups don't matter: 2.5 % of errors become 3.1 % at most."""

MOST_EXAMPLES = 3
"""Related images that are named."""

_ALIKE = 0.9
"""Share of a group's images that must have one name in common, for a pattern to be suggested."""

_LAST_WORD = re.compile(r"([-_. ]*[A-Za-z]+)[-_. ]?\d+\.\w+$")

_SUGGESTIONS = (r"(.*?)[-_. ]*\d+\.\w+$", r"(.*)[-_. ][^-_. /]+\.\w+$", r"(.*/[^/\d]*\d+)")
"""Patterns of names: what comes before a number, before a last part, or up to the first number."""


@dataclass(frozen=True)
class Relatives:
    """Images that look like crops, copies or frames of others.

    Parameters
    ----------
    images, of : int
        Numbers of images that were looked at, and of all.
    related : int
        Number of these that are much like another one.
    size : float
        Number of images in the group of an average image, at least: not all images of one origin look alike.
    examples : tuple of str
        Ids of some images of the largest group.
    pattern : str
        Pattern of paths that would name the groups; empty where their paths don't tell them.
    groups : int
        Number of groups that it would make of the images that were looked at.
    """

    images: int
    of: int = 0
    related: int = 0
    size: float = 1.0
    examples: tuple[str, ...] = ()
    pattern: str = ""
    groups: int = 0

    @classmethod
    def among(
        cls,
        ids: Sequence[str],
        groups: Sequence[Sequence[int]],
        of: int | None = None,
        others: Sequence[str] = (),
    ) -> Relatives:
        """Describe groups of images that are alike.

        Parameters
        ----------
        ids : sequence of str
            Images that were looked at.
        groups : sequence of sequence of int
            Places of images that belong together, two or more each.
        of : int, optional
            Number of all images; by default those that were looked at.
        others : sequence of str
            Images that were not looked at: a pattern that is suggested names their groups, too.

        Examples
        --------
        >>> Relatives.among(["a/x_1.png", "a/x_2.png", "b/y.png", "b/z.png"], [[0, 1]]).related
        2
        """
        sizes = [len(group) for group in groups]
        related = sum(sizes)
        largest = max(groups, key=len, default=())
        pattern, count = _suggestion(ids, groups, others) if groups else ("", 0)
        return cls(
            images=len(ids),
            of=len(ids) if of is None else of,
            related=related,
            size=(len(ids) - related + sum(size**2 for size in sizes)) / max(len(ids), 1),
            examples=tuple(ids[place] for place in largest[:MOST_EXAMPLES]),
            pattern=pattern,
            groups=count,
        )

    @property
    def is_few(self) -> bool:
        """Whether there were too few images to look."""
        return self.images == 0

    @property
    def matters(self) -> bool:
        """Whether verdicts that take the images for independent may be wrong, or this is not known."""
        return self.is_few or self.size > HARMLESS

    def text(self, name: str) -> str:
        """Return what was found in a data set of a name, and how groups are named, in a line; it may be empty."""
        command = f"`agbench prepare --fresh --dataset {name}"
        if self.is_few:
            return (
                f"fewer than {FEWEST} images, too few to look for related ones: nothing is called safe before "
                f"{command} --group-by PATTERN` names images of one origin, or --independent says there are none"
            )
        part = f"{self.images:,} of {self.of:,} images were looked at, and"
        if not self.related:
            return "" if self.images >= self.of else f"{part} none of them is much like others"
        among = (
            f"{self.related:,} of {self.images:,} images"
            if self.images >= self.of
            else f"{part} {self.related:,} of them"
        )
        found = f"{among} are much like others, such as {' and '.join(map(repr, self.examples))}"
        if not self.matters:
            return found
        rule = option(self.pattern, None) if self.pattern else "--group-by PATTERN"
        count = f" ({self.groups:,} groups)" if self.pattern else ", or --group-column of a table,"
        return (
            f"{found}: nothing is called safe before {command} {rule}`{count} names images of one origin, or "
            "--independent says there are none"
        )


def check_rule(rule: str) -> None:
    r"""Raise `UserError` where a rule of groups is neither a word nor a pattern.

    Examples
    --------
    >>> check_rule("folder"), check_rule(r"patient(\d+)_")
    (None, None)
    """
    if rule in (INDEPENDENT, BY_FOLDER):
        return
    try:
        re.compile(rule)
    except re.error as error:
        raise UserError(f"--group-by '{rule}' is neither {BY_FOLDER} nor a regular expression: {error}") from error
    if not rule:
        raise UserError(f"--group-by is empty: use {BY_FOLDER}, or a pattern of the images' paths")


def option(rule: str, column: str | None) -> str:
    """Return the option by which groups are named on the command line.

    Examples
    --------
    >>> option("(.*)_crop", None), option("", "patient"), option("image", None)
    ("--group-by '(.*)_crop'", '--group-column patient', '--independent')
    """
    if column is not None:
        return f"--group-column {quote(column)}"
    return "--independent" if rule == INDEPENDENT else f"--group-by {quote(rule)}"


def described(rule: str, column: str | None) -> str:
    """Return how groups are named, in words; empty where they are not.

    Examples
    --------
    >>> described("", "patient"), described("folder", None), described("image", None), described("(.*)_", None)
    ("column 'patient'", 'folder', 'image', "pattern '(.*)_'")
    """
    if column is not None:
        return f"column {column!r}"
    return rule if rule in ("", BY_FOLDER, INDEPENDENT) else f"pattern '{rule}'"


def named(ids: pd.Series, rule: str) -> pd.Series:
    r"""Return the group of each image by a rule on its path.

    Parameters
    ----------
    ids : Series of str
        Paths with forward slashes.
    rule : str
        ``"folder"``, or a regular expression: images with the same match belong together. Where it has groups in
        parentheses, these are what is compared.

    Returns
    -------
    Series of str

    Raises
    ------
    UserError
        If an image's path has no match.

    Examples
    --------
    >>> named(pd.Series(["a/p1_x.png", "b/p1_y.png", "b/p2_x.png"]), r"p(\d+)_").tolist()
    ['1', '1', '2']
    >>> named(pd.Series(["a/p1_x.png", "b/p1_y.png"]), "folder").tolist()
    ['a', 'b']
    """
    if rule == BY_FOLDER:
        return ids.map(lambda path: str(PurePosixPath(path).parent))
    pattern = re.compile(rule)
    found = []
    for path in ids:
        match = pattern.search(path)
        if match is None:
            raise UserError(f"--group-by '{rule}' matches nothing in {path!r}: each image needs a group")
        found.append("\t".join(part or "" for part in match.groups()) if pattern.groups else match[0])
    return pd.Series(found, index=ids.index, dtype=object)


def joined(names: pd.Series, contents: pd.Series) -> pd.Series:
    """Return groups in which images with the same content are together, too.

    Parameters
    ----------
    names, contents : Series of str
        Group and content hash of each image.

    Returns
    -------
    Series of str
        Name of the first of the groups that are one.

    Examples
    --------
    >>> joined(pd.Series(["p", "q", "r"]), pd.Series(["0", "1", "0"])).tolist()
    ['p', 'q', 'p']
    """
    first: dict[str, str] = {}

    def root(name: str) -> str:
        while first.setdefault(name, name) != name:
            name = first[name]
        return name

    by_content: dict[str, str] = {}
    for name, content in zip(names, contents, strict=True):
        ours, theirs = root(name), root(by_content.setdefault(content, name))
        first[max(ours, theirs)] = min(ours, theirs)
    return names.map(root)


def _suggestion(ids: Sequence[str], groups: Sequence[Sequence[int]], others: Sequence[str]) -> tuple[str, int]:
    """Return a pattern that names groups as they were found, and their number; nothing where none does."""
    folders = {PurePosixPath(path).parent for path in ids}
    words = Counter(match[1] for path in ids if (match := _LAST_WORD.search(path)))
    before_word = [f"(.*){re.escape(word)}" for word, _ in words.most_common(1)]
    for pattern in (*before_word, *_SUGGESTIONS):
        matches = [re.search(pattern, path) for path in ids]
        keys = ["" if match is None else match[1] for match in matches]
        # What tells no more than the folder, or tells each image, names no group.
        if not all(keys) or not len(folders) < len(set(keys)) < len(ids):
            continue
        if not all(re.search(pattern, path) for path in others):
            continue
        common = [Counter(keys[place] for place in group).most_common(1)[0][1] for group in groups]
        if sum(common) >= _ALIKE * sum(map(len, groups)):
            return pattern, len(set(keys))
    return "", 0
