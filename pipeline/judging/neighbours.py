"""Copies and near copies across the sets and folds; half a minute's work, kept."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.data.files import replacing
from pipeline.data.inputs import InputPaths

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


@dataclass(frozen=True)
class Neighbours:
    """The nearest images on the other side of a line that nothing should have crossed.

    Attributes:
        test: For each test image, the nearest training image.
        train: For each training image, the nearest one of another fold.
    """

    test: Nearest
    train: Nearest


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


def save_neighbours(paths: InputPaths, neighbours: Neighbours, made_from: str) -> None:
    """Write the nearest images, whole or not at all.

    Args:
        paths: Where.
        neighbours: What was found.
        made_from: One text that names the images and folds.
    """
    with replacing(paths.neighbours) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            test_index=neighbours.test.index,
            test_distance=neighbours.test.distance,
            train_index=neighbours.train.index,
            train_distance=neighbours.train.distance,
            made_from=np.array(made_from),
        )


def load_neighbours(paths: InputPaths, made_from: str) -> Neighbours | None:
    """Read the nearest images; None if they were not looked for in these images and folds."""
    try:
        with paths.neighbours.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            if str(arrays["made_from"]) != made_from:
                return None
            return Neighbours(
                test=Nearest(arrays["test_index"], arrays["test_distance"]),
                train=Nearest(arrays["train_index"], arrays["train_distance"]),
            )
    except Exception:  # numpy and zipfile raise many kinds on a damaged file; it is a cache
        return None
