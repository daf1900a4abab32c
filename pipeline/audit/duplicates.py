"""Images that come twice: the same pixels, or nearly the same."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]
"""uint8 (N, C, H, W)."""


@dataclass(frozen=True)
class Nearest:
    """For each of N images, the nearest of some others.

    Attributes:
        index: int64 (N,), which one.
        distance: float64 (N,), how far: the Euclidean length of the difference of the pixels, as
            a share of the length of the image itself. 0 is a copy; noise of a tenth is 0.1.
    """

    index: npt.NDArray[np.int64]
    distance: npt.NDArray[np.float64]


def find_copies(images: Images, others: Images) -> npt.NDArray[np.bool_]:
    """Return which of `images` are among `others`, pixel by pixel, bool (N,)."""
    known = {image.tobytes() for image in others}
    return np.array([image.tobytes() in known for image in images], dtype=bool)


def find_copies_across(images: Images, folds: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """Return which images are also in another fold, pixel by pixel, bool (N,).

    Args:
        images: uint8 (N, C, H, W).
        folds: (N,), the fold of each.
    """
    folds_of: dict[bytes, set[int]] = {}
    for image, fold in zip(images, folds.tolist(), strict=True):
        folds_of.setdefault(image.tobytes(), set()).add(fold)
    return np.array([len(folds_of[image.tobytes()]) > 1 for image in images], dtype=bool)
