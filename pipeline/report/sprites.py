"""All images of a page in one picture, so that each is stored once however often it is shown."""

import base64
import io
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_COLUMNS = 64
GUTTER_PX = 1
"""Empty pixels around each digit: enlarged, it never shows its neighbour's edge."""


@dataclass(frozen=True)
class Sprite:
    """One digit's place in the sheet, counted in cells from the top left corner."""

    column: int
    row: int


class SpriteSheet:
    """Collects digits while the sections are written; the picture is drawn at the end.

    Ink is opaque black and paper transparent, so that the page's own colours show through; an image
    in colour is as it is.
    """

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self._cell_height, self._cell_width = height + 2 * GUTTER_PX, width + 2 * GUTTER_PX
        self._digits: dict[Hashable, tuple[Sprite, npt.NDArray[np.uint8]]] = {}

    def __len__(self) -> int:
        return len(self._digits)

    def place(self, key: Hashable, image: npt.NDArray[np.uint8]) -> Sprite:
        """Return the sprite of an image, which is added unless its key was placed before.

        Of the image, uint8 (C, H, W), three channels are shown as RGB; of any other number the
        first, whose 255 is ink.
        """
        if key not in self._digits:
            row, column = divmod(len(self), _COLUMNS)
            self._digits[key] = Sprite(column, row), image
        return self._digits[key][0]

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the picture in pixels."""
        num_rows = max(1, -(-len(self) // _COLUMNS))
        return _COLUMNS * self._cell_width, num_rows * self._cell_height

    def data_uri(self) -> str:
        """Return the picture as a PNG in a data: address."""
        from matplotlib.image import imsave

        width, height = self.size_px
        picture = np.zeros((height, width, 4), dtype=np.uint8)
        for sprite, image in self._digits.values():
            top = sprite.row * self._cell_height + GUTTER_PX
            left = sprite.column * self._cell_width + GUTTER_PX
            cell = picture[top : top + self.height, left : left + self.width]
            if len(image) == 3:
                cell[..., :3], cell[..., 3] = image.transpose(1, 2, 0), 255
            else:
                cell[..., 3] = image[0]
        file = io.BytesIO()
        imsave(file, picture, format="png")
        return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
