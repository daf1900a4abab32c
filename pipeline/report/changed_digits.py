"""The images on which two sides disagree, drawn."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.judging.pairing import Comparison
from pipeline.report.contact_sheet import ContactSheet, label_text

_COLUMNS = 10
_MOST_ROWS = 5
"""Of cards, in each of the two groups: a page that is still looked at."""

# The page, in pixels of the digits; each becomes about three pixels of the file.
_CARD = 42
_TEXT = 29  # below a digit: four lines
_TEXT_WIDTH, _LETTER = 20, 2.3  # of a line, and of each letter of a class's name in it
_MARGIN = 8
_HEADER = 24
_TITLE = 16  # over a group
_UNITS_PER_INCH = 54
_DPI = 170

_GRAY = "0.4"
_COLORS = (0, 114, 178), (213, 94, 0)  # told apart by everyone (Okabe and Ito, 2008)
_STYLES: tuple[dict[str, Any], ...] = (
    {"size": 7, "weight": "bold"},
    {"size": 6},
    {"size": 6},
    {"size": 6, "color": _GRAY},
)
"""Of the lines below a digit."""


def save_changed_digits(
    path: Path, comparison: Comparison, images: npt.NDArray[np.uint8], class_names: Sequence[str]
) -> None:
    """Write a PNG of the images that only one side got right, in two groups.

    Each shows its label, what either side said and how sure it was, and its row in `train.csv`;
    first come those whose label's probability moved most. The images, uint8 (N, C, H, W), are the
    comparison's in its order.
    """
    groups = find_changed(comparison)
    height, width = images.shape[-2:]
    heights = [-(-len(shown) // _COLUMNS) * (height + _TEXT) for _, shown in groups]
    card = max(_CARD, _TEXT_WIDTH + round(_LETTER * max(map(len, class_names))))
    page_width = 2 * _MARGIN + _COLUMNS * card
    page_height = _HEADER + sum(_TITLE + each for each in heights) + _MARGIN
    page = ContactSheet(page_width, page_height, units_per_inch=_UNITS_PER_INCH, dpi=_DPI)
    page.write(_MARGIN, 9, "Images that changed sides", size=13, weight="bold")
    names = f"A = {_names(comparison.a.runs)},  B = {_names(comparison.b.runs)}"
    counted = f"{len(comparison.rows):,} validation images"
    page.write(_MARGIN, 19, f"{names}  ({counted})", size=7, color=_GRAY)
    top = _HEADER
    for (caption, shown), color, group_height in zip(groups, _COLORS, heights, strict=True):
        ink = tuple(channel / 255 for channel in color)
        page.write(_MARGIN, top + 8, caption, size=9, weight="bold", color=ink)
        top += _TITLE
        for number, image in enumerate(shown):
            row, column = divmod(number, _COLUMNS)
            left = _MARGIN + column * card + (card - width) // 2
            below = top + row * (height + _TEXT) + height
            page.put(left, below - height, images[image], color)
            said = [
                f"{side}: {class_names[read_as]}, {100 * prob:.0f} %"
                for side, read_as, prob in said_of(comparison, image)
            ]
            label = label_text(class_names[comparison.labels[image]])
            texts = [label, *said, f"row {comparison.rows[image]}"]
            for line, (text, style) in enumerate(zip(texts, _STYLES, strict=True)):
                page.write(left + width / 2, below + 4.5 + 5.5 * line, text, ha="center", **style)
        top += group_height
    path.write_bytes(page.png())


def find_changed(comparison: Comparison) -> list[tuple[str, npt.NDArray[np.intp]]]:
    """Return the images that only B got right, and those that only A got right, most moved first.

    Each group has a caption, and the positions of as many images as a page has room for.
    """
    a, b = comparison.a.mean_probs, comparison.b.mean_probs
    labels = comparison.labels
    right_a, right_b = a.argmax(axis=1) == labels, b.argmax(axis=1) == labels
    each = np.arange(len(labels))
    moved = np.abs(b[each, labels] - a[each, labels])
    most_first = np.argsort(-moved, kind="stable")
    groups = []
    for side, changed in (("B", right_b & ~right_a), ("A", right_a & ~right_b)):
        images = most_first[changed[most_first]]
        shown = images[: _COLUMNS * _MOST_ROWS]
        caption = f"Right with {side} only: {len(images):,} image{'' if len(images) == 1 else 's'}"
        if len(images) > len(shown):
            caption += f", of which these {len(shown)} moved most"
        groups.append((caption, shown))
    return groups


def said_of(comparison: Comparison, image: int) -> list[tuple[str, int, np.float32]]:
    """Return what A and B said of an image: the side's name, the class and its probability.

    With several seeds, a side says what its networks' mean probabilities say.
    """
    sides = {"A": comparison.a, "B": comparison.b}
    means = {name: side.probs[:, image].mean(axis=0) for name, side in sides.items()}
    return [(name, int(probs.argmax()), probs.max()) for name, probs in means.items()]


def _names(runs: list[str]) -> str:
    return runs[0] if len(runs) == 1 else f"{runs[0]} and {len(runs) - 1} more"
