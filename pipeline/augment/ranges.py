"""How a recipe says which values of its arguments `make sweep` may try."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

Range = tuple[float, float] | list[Any]
"""From low to high, in whole numbers if both ends are whole; or a list of values to choose from."""

_Recipe = TypeVar("_Recipe", bound=Callable[..., Any])


def sweep_over(**ranges: Range) -> Callable[[_Recipe], _Recipe]:
    """Declare the ranges of a recipe's arguments; for everything else the recipe stays as it is.

        @sweep_over(alpha=(5.0, 60.0), p=(0.0, 1.0))
        def elastic(alpha: float = 30.0, p: float = 0.7) -> A.Compose:

    The argument's default must lie in its range: that is the recipe itself, and what the sweep has
    to beat.

    Raises:
        TypeError: The recipe has no such argument, or the argument has no default.
        ValueError: A range is empty, or the default lies outside.
    """

    def declare(recipe: _Recipe) -> _Recipe:
        arguments = inspect.signature(recipe).parameters
        for name, allowed in ranges.items():
            if name not in arguments or arguments[name].default is inspect.Parameter.empty:
                raise TypeError(f"{recipe.__name__} has no argument {name} with a default")
            _check(f"{recipe.__name__}'s {name}", allowed, arguments[name].default)
        setattr(recipe, "sweep_ranges", ranges)  # noqa: B010
        return recipe

    return declare


def _check(what: str, allowed: Range, default: Any) -> None:
    if isinstance(allowed, list):
        if default not in allowed:
            raise ValueError(f"{what} is {default!r}, which is not among {allowed}")
        return
    low, high = allowed
    if not low < high:
        raise ValueError(f"the range of {what} is empty: {low} to {high}")
    if not low <= default <= high:
        raise ValueError(f"{what} is {default}, which is not in its range {low} to {high}")
