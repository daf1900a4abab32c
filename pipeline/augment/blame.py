"""Whose fault it is: what a user's recipe did wrong, in one sentence with the line to mend."""

import re
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pipeline.errors import UserError

_T = TypeVar("_T")

RECIPES_FILE = Path(__file__).with_name("recipes.py")

_NO_SUCH_ARGUMENT = re.compile(r"Argument\(s\) '(.*)' are not valid for transform (\w+)")

SUCCESSORS = {
    old: new
    for new, names in {
        "p=1": "always_apply",
        "fill": "value fill_value image_fill_value cval pad_val",
        "fill_mask": "mask_value mask_fill_value cval_mask pad_val_mask",
        "border_mode": "mode pad_mode",
        "num_holes_range": "min_holes max_holes",
        "hole_height_range": "min_height max_height",
        "hole_width_range": "min_width max_width",
        "unit_size_range": "unit_size_min unit_size_max",
        "holes_number_xy": "holes_number_x holes_number_y",
        "shift_xy": "shift_x shift_y",
        "std_range, the square root of it as a share of 255": "var_limit",
        "mean_range, as a share of 255": "mean",
        "an A.Affine before it": "alpha_affine",
        "scale_range": "scale_min scale_max",
        "quality_range": "quality_lower quality_upper",
        "threshold_range": "threshold",
    }.items()
    for old in names.split()
}
"""Arguments that were called otherwise before albumentations 2.0, and what took their place."""


def blaming_the_recipe(what: str, action: Callable[[], _T]) -> _T:
    """Run code that the user wrote, called `what`; its faults are the user's to mend.

    Raises:
        UserError: It raised anything, or gave a transform an argument that albumentations ignores.
    """
    try:
        with warnings.catch_warnings():
            # albumentations only warns of an argument it does not know, and goes on without it.
            warnings.filterwarnings("error", message=r"Argument\(s\) .* not valid")
            return action()
    except Exception as error:
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(sys.exc_info()[2])
            if frame.filename == str(RECIPES_FILE)
        ]
        if isinstance(error, SyntaxError) and error.filename == str(RECIPES_FILE):
            lines = [error.lineno]
        where = f" (pipeline/augment/recipes.py, line {lines[-1]})" if lines else ""
        raise UserError(f"{what}{where}: {_say(error)}.") from None


def _say(error: Exception) -> str:
    """Return what is wrong, in our own words where an argument has gone by another name."""
    found = _NO_SUCH_ARGUMENT.search(str(error))
    renamed = [name for name in found[1].split(", ") if name in SUCCESSORS] if found else []
    if not found or not renamed:
        return describe(error)
    news = "; ".join(f"{name} is now {SUCCESSORS[name]}" for name in renamed)
    return f"{found[2]} has had no such argument since albumentations 2.0: {news}"


def describe(error: BaseException) -> str:
    """Return an error as "its type: its first lines"."""
    return f"{type(error).__name__}: {first_line(error)}"


def first_line(error: BaseException) -> str:
    """Return the first three lines of an error's text as one, or its type if it has no text."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return "; ".join(lines[:3]).rstrip(".") if lines else type(error).__name__
