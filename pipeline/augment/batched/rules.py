"""What an argument of an albumentations transform may be, for the recipe to be compiled."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.augment.batched.sampling import BORDERS, INTERPOLATIONS


@dataclass(frozen=True)
class Rule:
    """What an argument may be.

    Attributes:
        text: It in words, for the table and for the refusal.
        accepts: Tells whether a value may be compiled.
    """

    text: str
    accepts: Callable[[Any], bool]


def _is_pixel(value: object) -> bool:
    return isinstance(value, int | float) and value in range(256)


def only(value: object, because: str) -> Rule:
    """Return the rule that an argument is left at `value`."""
    return Rule(f"only {value!r}: {because}", lambda given: given == value)


ANY = Rule("any", lambda _: True)
UNUSED = Rule("any: has no effect on images", lambda _: True)
PIXEL = Rule("a whole number 0..255", _is_pixel)
HOLE_FILL = Rule(
    "a whole number 0..255, 'random' or 'random_uniform'",
    lambda given: _is_pixel(given) or given in ("random", "random_uniform"),
)
INTERPOLATION = Rule("nearest, linear or cubic", lambda given: given in INTERPOLATIONS)
BORDER = Rule("constant, replicate, reflect, reflect_101 or wrap", lambda given: given in BORDERS)
POSITIVE_SCALE = Rule("positive", lambda given: all(low > 0 for low, _ in given.values()))
SAME_SIZE = only(False, "the size of the output would vary")
