"""The digits on which two sides disagree, drawn."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.judging.sides import Comparison
from pipeline.report.contact_sheet import ContactSheet

Images = npt.NDArray[np.uint8]
"""uint8 (N, 1, H, W)."""

_COLUMNS = 10
_MOST_ROWS = 5
"""Of cards, in each of the two groups: a page that is still looked at."""

# The page, in pixels of the digits; each becomes about three pixels of the file.
_CARD = 42
_TEXT = 29  # below a digit: four lines
_MARGIN = 8
_HEADER = 24
_TITLE = 16  # over a group
_UNITS_PER_INCH = 54
_DPI = 170

_GRAY = "0.4"
_BLUE, _ORANGE = (0, 114, 178), (213, 94, 0)  # told apart by everyone (Okabe and Ito, 2008)


@dataclass(frozen=True)
class Group:
    """Positions of the images that one side got right and the other did not, most moved first."""

    title: str
    color: tuple[int, int, int]
    images: npt.NDArray[np.intp]

    @property
    def shown(self) -> npt.NDArray[np.intp]:
        """Those that a page has room for."""
        return self.images[: _COLUMNS * _MOST_ROWS]

    @property
    def num_rows(self) -> int:
        """Rows that they take on the picture."""
        return -(-len(self.shown) // _COLUMNS)

    @property
    def caption(self) -> str:
        """What they have in common, and how many they are."""
        number = len(self.images)
        text = f"{self.title}: {number:,} image{'' if number == 1 else 's'}"
        if number > len(self.shown):
            text += f", of which these {len(self.shown)} moved most"
        return text


def save_changed_digits(path: Path, comparison: Comparison, images: Images) -> None:
    """Write a PNG of the digits that only one side got right, in two groups.

    Each shows its label, what either side said and how sure it was, and its row in `train.csv`;
    first come those whose label's probability moved most. With several seeds, a side says what
    its networks' mean probabilities say.

    Args:
        path: The file to write.
        comparison: The two sides.
        images: uint8 (N, 1, H, W), the comparison's images in its order.
    """
    groups = find_changed(comparison)
    page = _Page(images.shape[-1], images.shape[-2], groups)
    page.write(_MARGIN, 9, "Digits that changed sides", size=13, weight="bold")
    names = f"A = {_names(comparison.a.runs)},  B = {_names(comparison.b.runs)}"
    counted = f"{len(comparison.rows):,} validation images"
    page.write(_MARGIN, 19, f"{names}  ({counted})", size=7, color=_GRAY)
    top = _HEADER
    for group in groups:
        color = tuple(channel / 255 for channel in group.color)
        page.write(_MARGIN, top + 8, group.caption, size=9, weight="bold", color=color)
        top += _TITLE
        for number, image in enumerate(group.shown):
            page.put_card(number, top, images[image, 0], group.color)
            page.label(number, top, _card_texts(comparison, int(image)))
        top += group.num_rows * page.row_height
    path.write_bytes(page.png())


def find_changed(comparison: Comparison) -> list[Group]:
    """Return the images that only B got right, and those that only A got right."""
    a, b = comparison.a.mean_probs, comparison.b.mean_probs
    labels = comparison.labels
    right_a, right_b = a.argmax(axis=1) == labels, b.argmax(axis=1) == labels
    each = np.arange(len(labels))
    moved = np.abs(b[each, labels] - a[each, labels])
    most_first = np.argsort(-moved, kind="stable")
    return [
        Group("Right with B only", _BLUE, most_first[(right_b & ~right_a)[most_first]]),
        Group("Right with A only", _ORANGE, most_first[(right_a & ~right_b)[most_first]]),
    ]


def _card_texts(comparison: Comparison, image: int) -> list[str]:
    """What stands below a digit: the label, what either side said, the row."""
    said = []
    for name, side in (("A", comparison.a), ("B", comparison.b)):
        probs = side.probs[:, image].mean(axis=0)
        said.append(f"{name}: {probs.argmax()}, {100 * probs.max():.0f} %")
    return [f"label {comparison.labels[image]}", *said, f"row {comparison.rows[image]}"]


def _names(runs: list[str]) -> str:
    return runs[0] if len(runs) == 1 else f"{runs[0]} and {len(runs) - 1} more"


class _Page(ContactSheet):
    """Cards in rows: a digit in its group's colour, and what there is to say below it."""

    def __init__(self, width: int, height: int, groups: list[Group]) -> None:
        self.row_height = height + _TEXT
        self._digit_width = width
        page_height = _HEADER + _MARGIN
        page_height += sum(_TITLE + group.num_rows * self.row_height for group in groups)
        page_width = 2 * _MARGIN + _COLUMNS * _CARD
        super().__init__(page_width, page_height, units_per_inch=_UNITS_PER_INCH, dpi=_DPI)

    def put_card(
        self, number: int, top: int, image: npt.NDArray[np.uint8], color: tuple[int, int, int]
    ) -> None:
        """Put a group's digit where it stands in the group, which begins at `top`."""
        self.put(self._left(number), top + number // _COLUMNS * self.row_height, image, color)

    def label(self, number: int, top: int, texts: list[str]) -> None:
        """Write lines below a digit: the first bold, the last grey."""
        middle = self._left(number) + self._digit_width / 2
        y = top + (number // _COLUMNS + 1) * self.row_height - _TEXT + 4.5
        bold, gray = {"weight": "bold", "size": 7}, {"color": _GRAY}
        for line, text in enumerate(texts):
            style = bold if line == 0 else gray if line == len(texts) - 1 else {}
            self.write(middle, y + 5.5 * line, text, **{"size": 6, "ha": "center", **style})

    def _left(self, number: int) -> int:
        return _MARGIN + number % _COLUMNS * _CARD + (_CARD - self._digit_width) // 2
