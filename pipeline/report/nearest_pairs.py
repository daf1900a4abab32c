"""The nearest pairs of images, drawn: what "nearly the same" looks like in these data."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.data.digits import Digits
from pipeline.judging.neighbours import Images, Nearest, Neighbours
from pipeline.report.contact_sheet import label_text, on_paper

_COLUMNS = 10
_GAP = 4  # between two images, in their pixels

_Strip = tuple[str, tuple[str, str], list[str], Images, Images]
"""A title, what its rows are, what stands below each pair, the images, those nearest to them."""


def save_pairs(
    path: Path, digits: Digits, neighbours: Neighbours, class_names: Sequence[str], title: str
) -> None:
    """Write a PNG of the nearest pairs across train and test, and across folds."""
    from matplotlib.figure import Figure

    size = 7 if max(map(len, class_names)) <= 12 else 6  # points: a pair has the room of 60
    strips = list(_strips(digits, neighbours, class_names))
    figure = Figure(figsize=(9, 0.6 + 3.1 * len(strips)), dpi=130, layout="constrained")
    figure.suptitle(title, fontsize=13, fontweight="bold")
    for axes, strip in zip(figure.subplots(len(strips), 1), strips, strict=True):
        heading, rows, texts, images, nearest = strip
        height = images.shape[-2]
        picture = _tile(images, nearest)
        centers = [place * (height + _GAP) + height / 2 for place in range(_COLUMNS)]
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(heading, fontsize=10, loc="left")
        axes.set_xticks(centers[: len(texts)], texts, fontsize=size)
        axes.set_yticks(centers[:3], [*rows, "difference"], fontsize=8)
        axes.tick_params(length=0)
        axes.set_frame_on(False)
    figure.savefig(path, format="png")


def _strips(digits: Digits, neighbours: Neighbours, class_names: Sequence[str]) -> Iterator[_Strip]:
    """The nearest pairs of all, then the nearest of each class, for both kinds of neighbours."""
    train, test, labels = digits.train_images, digits.test_images, digits.train_labels
    for kind, nearest, images in (
        ("Test image and training image", neighbours.test, test),
        ("Training images of two folds", neighbours.train, train),
    ):
        is_test = images is test
        rows = ("test", "train") if is_test else ("one fold", "another")
        for which, chosen in (
            ("nearest pairs", _closest(nearest, is_test)),
            ("nearest pair of each class", _closest_of_each(nearest, labels)),
        ):
            others = nearest.index[chosen]
            texts = [
                f"{label_text(class_names[labels[other]])}\n"
                f"{'test ' if is_test else 'row '}{image + is_test}\n"
                f"row {other}\n{100 * nearest.distance[image]:.1f} %"
                for image, other in zip(chosen.tolist(), others.tolist(), strict=True)
            ]
            yield f"{kind}: {which}", rows, texts, images[chosen], train[others]


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


def _tile(images: Images, nearest: Images) -> npt.NDArray[np.uint8]:
    """Three rows of images in RGB: the images, the nearest, and their differences, white if none.

    There are (3·H, columns·W, 3) numbers, but for the gaps.
    """
    difference = np.abs(images.astype(np.int16) - nearest).astype(np.uint8)
    if images.shape[1] == 3:  # 0 would be black, where of ink it is white
        difference = 255 - difference
    rows = np.stack([on_paper(each) for each in (images, nearest, difference)])
    gaps = [(0, 0), (0, _COLUMNS - len(images)), (0, _GAP), (0, _GAP), (0, 0)]
    tiles = np.pad(rows, gaps, constant_values=255)
    return np.concatenate(np.concatenate(tiles, axis=-3), axis=-2)
