"""What an argument of an albumentations transform may be, for the recipe to be compiled."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.augment.batched.sampling import BORDERS, INTERPOLATIONS
from pipeline.augment.batched.transform import Size


@dataclass(frozen=True)
class Rule:
    """What an argument may be.

    Attributes:
        text: It in words, for the table and for the refusal.
        accepts: Tells whether a value may be compiled for images of a size (H, W).
    """

    text: str
    accepts: Callable[[Any, Size], bool]


def _numbers(value: Any) -> list[float]:
    """Return the numbers in a scalar, a range, or a mapping of ranges, from least to greatest."""
    if isinstance(value, Mapping):
        return sorted(number for inner in value.values() for number in _numbers(inner))
    return sorted(value) if isinstance(value, Sequence) else [] if value is None else [value]


def fill_value(fill: Any) -> Any:
    """Return a fill of the same value for every channel as that one value; others as they are."""
    return fill[0] if isinstance(fill, tuple | list) and len(set(fill)) == 1 else fill


def _is_pixel(value: object) -> bool:
    return isinstance(value, int | float) and value in range(256)


def _fills_holes(value: Any) -> bool:
    if isinstance(value, tuple | list):  # albumentations wants one number for each channel
        return len(value) == 1 and _is_pixel(value[0])
    return _is_pixel(value) or value in ("random", "random_uniform")


def only(value: object, because: str) -> Rule:
    """Return the rule that an argument is left at `value`."""
    return Rule(f"only {value!r}: {because}", lambda given, _: given == value)


def within(limit: float) -> Rule:
    """Return the rule that no number is further from 0: float32 would no longer carry its pixel."""
    return Rule(
        f"within ±{limit:,}", lambda given, _: all(abs(n) <= limit for n in _numbers(given))
    )


ANY = Rule("any", lambda *_: True)
PIXEL = Rule("a whole number 0..255", lambda given, _: _is_pixel(fill_value(given)))
HOLE_FILL = Rule(
    "a whole number 0..255, 'random' or 'random_uniform'", lambda given, _: _fills_holes(given)
)
INTERPOLATION = Rule("nearest, linear, area or cubic", lambda given, _: given in INTERPOLATIONS)
BORDER = Rule(
    "constant, replicate, reflect, reflect_101 or wrap", lambda given, _: given in BORDERS
)
SCALE = Rule("at least 0.01", lambda given, _: _numbers(given)[0] >= 0.01)
IN_IMAGE = Rule("no larger than the image", lambda given, size: _numbers(given)[-1] <= min(size))
ONE_A_PIXEL = Rule(
    "at most one a pixel", lambda given, size: max([0, *_numbers(given)]) <= min(size)
)
SAME_SIZE = only(False, "the size of the output would vary")
