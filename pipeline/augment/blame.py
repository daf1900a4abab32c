"""Whose fault it is: what a user's recipe did wrong, in one sentence with the line to mend."""

import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pipeline.errors import UserError

_T = TypeVar("_T")

RECIPES_FILE = Path(__file__).with_name("recipes.py")


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
        raise UserError(f"{what}{where}: {describe(error)}.") from None


def describe(error: BaseException) -> str:
    """Return an error as "its type: its first lines"."""
    return f"{type(error).__name__}: {first_line(error)}"


def first_line(error: BaseException) -> str:
    """Return the first three lines of an error's text as one, or its type if it has no text."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return "; ".join(lines[:3]).rstrip(".") if lines else type(error).__name__
