"""Copies and near copies across the sets and folds; half a minute's work on two cores, kept."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.data.files import replacing
from pipeline.data.inputs import InputPaths

if TYPE_CHECKING:
    import torch

Images = npt.NDArray[np.uint8]
"""uint8 (N, C, H, W)."""

_BLOCK = 512  # images at a time: 86 MB of distances to 42,000 others


@dataclass(frozen=True)
class Nearest:
    """For each of N images, the nearest of some others."""

    index: npt.NDArray[np.int64]
    """Which one, (N,)."""
    distance: npt.NDArray[np.float64]
    """How far, (N,): the Euclidean length of the difference of the pixels, as a share of the length
    of the image itself; of three channels, of what is left of it beside each channel's mean, as two
    bright pictures are long but not alike. 0 is a copy; noise of a tenth is 0.1."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest images on the other side of a line that nothing should have crossed."""

    test: Nearest
    """Of each test image among the training images."""
    train: Nearest
    """Of each training image among those of other folds."""


def find_copies(images: Images, others: Images) -> npt.NDArray[np.bool_]:
    """Return which of `images` are among `others`, pixel by pixel, bool (N,)."""
    known = {image.tobytes() for image in others}
    return np.array([image.tobytes() in known for image in images], dtype=bool)


def find_copies_across(images: Images, folds: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """Return which images are also in another fold, pixel by pixel, bool (N,); `folds` are (N,)."""
    folds_of: dict[bytes, set[int]] = {}
    for image, fold in zip(images, folds.tolist(), strict=True):
        folds_of.setdefault(image.tobytes(), set()).add(fold)
    return np.array([len(folds_of[image.tobytes()]) > 1 for image in images], dtype=bool)


def find_nearest(
    images: Images,
    others: Images,
    device: "torch.device",
    on_images: Callable[[int], None] = lambda _: None,
) -> Nearest:
    """Return for each image the nearest of `others`, at least one; tell how many images were done.

    |a - b|² = |a|² + |b|² - 2 a·b, so nearly all of the work is matrix products. They are in
    float32, which may take one of two others that are equally far for the nearer one; the distance
    to the one taken is computed exactly.
    """
    import torch  # not needed to submit

    queries = torch.from_numpy(images.reshape(len(images), -1))
    candidates = torch.from_numpy(others.reshape(len(others), -1)).to(device, torch.float32)
    half_squares = candidates.square().sum(dim=1) / 2
    index = np.empty(len(images), dtype=np.int64)
    distance = np.empty(len(images))
    for start in range(0, len(images), _BLOCK):
        here = slice(start, start + _BLOCK)
        block = queries[here].to(device, torch.float32)
        # |a|² is the same for all of the others: it does not decide which one is nearest.
        scores = torch.addmm(half_squares, block, candidates.T, alpha=-1)
        index[here] = scores.argmin(dim=1).cpu().numpy()
        distance[here] = _distances(images[here], others[index[here]])
        on_images(len(block))
    return Nearest(index, distance)


def find_nearest_across(
    images: Images,
    folds: npt.NDArray[np.integer],
    device: "torch.device",
    on_images: Callable[[int], None] = lambda _: None,
) -> Nearest:
    """Return for each image the nearest one of another fold; `folds`, (N,), are at least two."""
    index = np.empty(len(images), dtype=np.int64)
    distance = np.empty(len(images))
    for fold in np.unique(folds):
        inside, outside = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        found = find_nearest(images[inside], images[outside], device, on_images)
        index[inside], distance[inside] = outside[found.index], found.distance
    return Nearest(index, distance)


def _distances(images: Images, others: Images) -> npt.NDArray[np.float64]:
    """How far each image is from the other beside it, as `Nearest` has it."""
    differences = _lengths(images.astype(np.int16) - others)
    shown = images - images.mean(axis=(2, 3), keepdims=True) if images.shape[1] == 3 else images
    # An empty image is a copy of an empty one, and infinitely far from any other.
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(differences == 0, 0.0, differences / _lengths(shown))


def _lengths(images: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The Euclidean length of each image's pixels; of whole numbers their sum is exact."""
    flat = images.reshape(len(images), -1).astype(np.float64)
    lengths: npt.NDArray[np.float64] = np.sqrt(np.einsum("np,np->n", flat, flat))
    return lengths


def save_neighbours(paths: InputPaths, neighbours: Neighbours, made_from: str) -> None:
    """Write the nearest images, whole or not at all; `made_from` names the images and folds."""
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
