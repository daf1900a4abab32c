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
    "always_apply": "p=1",
    "value": "fill",
    "fill_value": "fill",
    "image_fill_value": "fill",
    "cval": "fill",
    "pad_val": "fill",
    "mask_value": "fill_mask",
    "mask_fill_value": "fill_mask",
    "cval_mask": "fill_mask",
    "pad_val_mask": "fill_mask",
    "mode": "border_mode",
    "pad_mode": "border_mode",
    "min_holes": "num_holes_range",
    "max_holes": "num_holes_range",
    "min_height": "hole_height_range",
    "max_height": "hole_height_range",
    "min_width": "hole_width_range",
    "max_width": "hole_width_range",
    "unit_size_min": "unit_size_range",
    "unit_size_max": "unit_size_range",
    "holes_number_x": "holes_number_xy",
    "holes_number_y": "holes_number_xy",
    "shift_x": "shift_xy",
    "shift_y": "shift_xy",
    "var_limit": "std_range, the square root of it as a share of 255",
    "mean": "mean_range, as a share of 255",
    "alpha_affine": "an A.Affine before it",
    "scale_min": "scale_range",
    "scale_max": "scale_range",
    "quality_lower": "quality_range",
    "quality_upper": "quality_range",
    "threshold": "threshold_range",
}
"""Arguments that were called otherwise before albumentations 2.0, and what took their place."""


def blaming_the_recipe(what: str, action: Callable[[], _T]) -> _T:
    """Run code that the user wrote; its faults are the user's to mend, with the line.

    Args:
        what: What is run, in words.
        action: Runs it.

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
