"""The nearest pairs of images, drawn: what "nearly the same" looks like in these data."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.data.digits import Digits
from pipeline.judging.neighbours import Images, Nearest, Neighbours

_COLUMNS = 10
_GAP = 4  # between two images, in their pixels


@dataclass(frozen=True)
class _Strip:
    """Pairs side by side: the image, the one nearest to it, and their difference."""

    title: str
    images: Images
    nearest: Images
    texts: Sequence[str]
    rows: tuple[str, str]


def save_pairs(path: Path, digits: Digits, neighbours: Neighbours, title: str) -> None:
    """Write a PNG of the nearest pairs across train and test, and across folds.

    Args:
        path: The file to write.
        digits: All images.
        neighbours: The nearest of each.
        title: What stands above it.
    """
    from matplotlib.figure import Figure

    strips = _strips(digits, neighbours)
    figure = Figure(figsize=(9, 0.6 + 3.1 * len(strips)), dpi=130, layout="constrained")
    figure.suptitle(title, fontsize=13, fontweight="bold")
    for axes, strip in zip(figure.subplots(len(strips), 1), strips, strict=True):
        picture, centers = _tile(strip)
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_title(strip.title, fontsize=10, loc="left")
        axes.set_xticks(centers[: len(strip.texts)], strip.texts, fontsize=7)
        axes.set_yticks(centers[:3], [*strip.rows, "difference"], fontsize=8)
        axes.tick_params(length=0)
        axes.set_frame_on(False)
    figure.savefig(path, format="png")


def _strips(digits: Digits, neighbours: Neighbours) -> list[_Strip]:
    """The nearest pairs of all, then the nearest of each digit, for both kinds of neighbours."""
    train, test, labels = digits.train_images, digits.test_images, digits.train_labels
    strips = []
    for kind, nearest, images in (
        ("test image and training image", neighbours.test, test),
        ("training images of two folds", neighbours.train, train),
    ):
        is_test = images is test
        for which, chosen in (
            ("nearest pairs", _closest(nearest, is_test)),
            ("nearest pair of each digit", _closest_of_each(nearest, labels)),
        ):
            others = nearest.index[chosen]
            texts = [
                f"label {labels[other]}\n{'test ' if is_test else 'row '}{image + is_test}\n"
                f"row {other}\n{100 * nearest.distance[image]:.1f} %"
                for image, other in zip(chosen.tolist(), others.tolist(), strict=True)
            ]
            rows = ("test", "train") if is_test else ("one fold", "another")
            title = f"{kind[0].upper()}{kind[1:]}: {which}"
            strips.append(_Strip(title, images[chosen], train[others], texts, rows))
    return strips


def _closest(nearest: Nearest, is_test: bool) -> npt.NDArray[np.int64]:
    """The images that are nearest to their neighbour; of a mutual pair only one."""
    order = np.argsort(nearest.distance, kind="stable")[: 2 * _COLUMNS]
    if not is_test:
        pairs = [frozenset((image, nearest.index[image])) for image in order.tolist()]
        order = order[[pair not in pairs[:place] for place, pair in enumerate(pairs)]]
    return order[:_COLUMNS]


def _closest_of_each(nearest: Nearest, labels: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """The image of each class, by its neighbour's label, that is nearest to its neighbour."""
    order = np.argsort(nearest.distance, kind="stable")
    _, first = np.unique(labels[nearest.index[order]], return_index=True)
    chosen: npt.NDArray[np.int64] = order[first[:_COLUMNS]]
    return chosen


def _tile(strip: _Strip) -> tuple[npt.NDArray[np.uint8], list[float]]:
    """Three rows of images as ink on paper, and where the middle of each row and column is."""
    height, width = strip.images.shape[-2:]
    step = height + _GAP
    picture = np.full((3 * step, _COLUMNS * (width + _GAP)), 255, dtype=np.uint8)
    difference = np.abs(strip.images.astype(np.int16) - strip.nearest).astype(np.uint8)
    for row, images in enumerate((strip.images, strip.nearest, difference)):
        for column, image in enumerate(images[:, 0]):
            top, left = row * step, column * (width + _GAP)
            picture[top : top + height, left : left + width] = 255 - image
    return picture, [place * step + height / 2 for place in range(_COLUMNS)]
