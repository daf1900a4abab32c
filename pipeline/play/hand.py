"""Makes of a digit drawn by hand an image like those of MNIST."""

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.errors import UserError

_BOX = 20 / 28
"""MNIST's digits were fitted into 20×20 of 28×28 pixels (LeCun et al., 1998)."""


def as_digit(ink: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """Return a drawing, (A, B) with ink as 255, as an image (height, width).

    As MNIST's were: cut out, fitted into a box of 20/28 of the image without changing its
    proportions, in grey where a pixel is partly covered, and its centre of mass in the middle.

    Raises:
        UserError: Nothing is drawn.
    """
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        raise UserError("nothing is drawn yet.")
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    scale = min(height * _BOX / cut.shape[0], width * _BOX / cut.shape[1])
    size = [max(1, round(scale * side)) for side in cut.shape]
    small = cv2.resize(cut, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    mass = small.sum()
    image = np.zeros((height, width), np.float32)
    places = []
    for axis, (room, side) in enumerate(zip((height, width), size, strict=True)):
        centre = (small.sum(axis=1 - axis) * (np.arange(side) + 0.5)).sum() / mass
        places.append(int(np.clip(round(room / 2 - centre), 0, room - side)))
    top, left = places
    image[top : top + size[0], left : left + size[1]] = small
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
