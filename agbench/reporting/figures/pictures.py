"""Images of a data set as a report shows them: side by side at several levels, with bytes and predictions."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageOps

from agbench.analysis.intervals import Verdict
from agbench.core import images
from agbench.core.errors import UnreadableImageError
from agbench.reporting.tables.tables import VERDICT_SYMBOLS
from agbench.runner.examples import middle


@dataclass(frozen=True)
class Picture:
    """An image at a level.

    Parameters
    ----------
    file : bytes
        Its file.
    caption : str
        The level and the bytes of the file.
    predicted : str
        The class that the model predicted.
    is_right : bool
        Whether that is the image's own.
    """

    file: bytes
    caption: str
    predicted: str
    is_right: bool

    @property
    def verdict(self) -> Verdict:
        """The verdict whose symbol and colour stand for the prediction: right as harmless, wrong as harmful."""
        return Verdict.NOT_INFERIOR if self.is_right else Verdict.INFERIOR

    @property
    def judged(self) -> str:
        """The predicted class behind that symbol."""
        return f"{VERDICT_SYMBOLS[self.verdict]} {self.predicted}"


@dataclass(frozen=True)
class Pictures:
    """Images of a figure, a row each.

    Parameters
    ----------
    name : str
        Name of the figure's files.
    model : str
        The model that predicted.
    rows : tuple of (str, tuple)
        The class of each image, and its `Picture` in each column; ``None`` where there is none.
    is_cropped : bool
        Whether the middle alone is shown, not scaled, instead of all of an image.
    """

    name: str
    model: str
    rows: tuple[tuple[str, tuple[Picture | None, ...]], ...]
    is_cropped: bool = False

    def pixels(self, picture: Picture) -> Image.Image | None:
        """Return what is shown of an image; ``None`` where its format is not known here any more."""
        try:
            with images.opened(BytesIO(picture.file)) as image:
                turned = ImageOps.exif_transpose(images.faithful(image)).convert("RGB")
        except UnreadableImageError:
            return None
        return middle(turned) if self.is_cropped else turned
