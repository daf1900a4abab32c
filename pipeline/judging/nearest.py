"""The search for the nearest images: half a minute on two cores, done once."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from pipeline.console import Reporter
from pipeline.judging.auditor import Audit
from pipeline.judging.neighbours import Images, Nearest, Neighbours, save_neighbours

_BLOCK = 512  # images at a time: 86 MB of distances to 42,000 others


def search_neighbours(audit: Audit, device: torch.device, reporter: Reporter) -> Neighbours:
    """Return the nearest images across train, test and folds, searched for only once.

    Args:
        audit: Of the competition.
        device: Where to compute.
        reporter: Shows the progress.
    """
    if found := audit.neighbours():
        return found
    digits = audit.digits
    total = len(digits.test_images) + len(digits.train_images)
    with reporter.bar("comparing images", total) as bar:
        found = Neighbours(
            test=find_nearest(digits.test_images, digits.train_images, device, bar.advance),
            train=find_nearest_across(digits.train_images, audit.row_folds, device, bar.advance),
        )
    save_neighbours(audit.inputs, found, audit.made_from)
    return found


def find_nearest(
    images: Images,
    others: Images,
    device: torch.device,
    on_images: Callable[[int], None] = lambda _: None,
) -> Nearest:
    """Return for each image the nearest of `others`.

    |a - b|² = |a|² + |b|² - 2 a·b, so nearly all of the work is matrix products. They are in
    float32, which may take one of two others that are equally far for the nearer one; the distance
    to the one taken is computed exactly.

    Args:
        images: uint8 (N, C, H, W).
        others: uint8 (M, C, H, W), M ≥ 1.
        device: Where to compute.
        on_images: Told how many images were done.
    """
    queries = torch.from_numpy(images.reshape(len(images), -1))
    candidates = torch.from_numpy(others.reshape(len(others), -1)).to(device, torch.float32)
    half_squares = candidates.square().sum(dim=1) / 2
    index = np.empty(len(images), dtype=np.int64)
    for start in range(0, len(images), _BLOCK):
        block = queries[start : start + _BLOCK].to(device, torch.float32)
        # |a|² is the same for all of the others: it does not decide which one is nearest.
        scores = torch.addmm(half_squares, block, candidates.T, alpha=-1)
        index[start : start + len(block)] = scores.argmin(dim=1).cpu().numpy()
        on_images(len(block))
    return Nearest(index, _distances(images, others[index]))


def find_nearest_across(
    images: Images,
    folds: npt.NDArray[np.integer],
    device: torch.device,
    on_images: Callable[[int], None] = lambda _: None,
) -> Nearest:
    """Return for each image the nearest one of another fold.

    Args:
        images: uint8 (N, C, H, W).
        folds: (N,), the fold of each; at least two folds.
        device: Where to compute.
        on_images: Told how many images were done.
    """
    index = np.empty(len(images), dtype=np.int64)
    distance = np.empty(len(images))
    for fold in np.unique(folds):
        inside, outside = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        found = find_nearest(images[inside], images[outside], device, on_images)
        index[inside], distance[inside] = outside[found.index], found.distance
    return Nearest(index, distance)


def _distances(images: Images, others: Images) -> npt.NDArray[np.float64]:
    """How far each image is from the other one at its place, as a share of its own length."""
    differences = _lengths(images.astype(np.int16) - others)
    # An empty image is a copy of an empty one, and infinitely far from any other.
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(differences == 0, 0.0, differences / _lengths(images))


def _lengths(images: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """The Euclidean length of each image's pixels; a sum of whole numbers, so it is exact."""
    flat = images.reshape(len(images), -1).astype(np.float64)
    lengths: npt.NDArray[np.float64] = np.sqrt(np.einsum("np,np->n", flat, flat))
    return lengths
