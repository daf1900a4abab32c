"""Draws what a recipe does to digits: a row of draws for each of ten digits."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from pipeline.augment.batched import BatchedRecipe, NotCompilable, compile_recipe, image_keys
from pipeline.augment.checking import augment_image, check_recipe
from pipeline.augment.registry import deserialise

NUM_DRAWS = 14
MOST_DIGITS = 10

Images = npt.NDArray[np.uint8]
"""uint8 (N, C, H, W)."""


@dataclass(frozen=True)
class Drawn:
    """Draws of a recipe: of each digit in turn, all its draws; and why they are slow, if so."""

    images: Images
    slow: tuple[str, ...] = ()


def draw(text: str, digits: Images, seed: int, num_draws: int = NUM_DRAWS) -> Drawn:
    """Return `num_draws` of a serialised recipe on each of the digits, (N, C, H, W).

    Draw k of digit i is that of epoch k and row i under the seed, as in `make preview`.

    Raises:
        UserError: The recipe fails on an image, or changes its shape or type.
    """
    rows = torch.arange(len(digits)).repeat_interleave(num_draws)
    keys = torch.empty_like(rows)
    for number in range(num_draws):
        keys[number::num_draws] = image_keys(seed, number, torch.arange(len(digits)))
    compiled = _compiled(text, digits.shape[1:])
    if isinstance(compiled, BatchedRecipe):
        # For so few images one thread is as fast as two, 12 against 14 ms, and beside a training,
        # where each waits for the other, the slowest of 150 draws took 18 ms and not 228.
        torch.set_num_threads(1)
        images: Images = compiled(torch.from_numpy(digits)[rows], keys).numpy()
        return Drawn(images)
    recipe = deserialise(text, num_channels=digits.shape[1])
    check_recipe(recipe, digits.shape[1:])
    drawn = [
        augment_image(recipe, digit.transpose(1, 2, 0), (seed, number, row))
        for row, digit in enumerate(digits)
        for number in range(num_draws)
    ]
    return Drawn(np.stack(drawn).transpose(0, 3, 1, 2), compiled)


@lru_cache(maxsize=32)
def _compiled(text: str, image_shape: tuple[int, int, int]) -> BatchedRecipe | tuple[str, ...]:
    """The recipe for the batched engine, or why there is none."""
    recipe = deserialise(text, num_channels=image_shape[0])
    try:
        return compile_recipe(recipe, size=image_shape[1:], num_channels=image_shape[0])
    except NotCompilable as refusal:
        return tuple(refusal.reasons)


def choose(
    labels: npt.NDArray[np.integer], rows: npt.NDArray[np.integer] | None, number: int
) -> npt.NDArray[np.int64]:
    """Return a row of each class, at most `MOST_DIGITS`: the `number`-th of those it has.

    The labels (N,) are of all rows; only `rows` come into question, if they are given.
    """
    allowed = np.arange(len(labels)) if rows is None else np.asarray(rows)
    chosen = []
    for label in np.unique(labels[allowed])[:MOST_DIGITS]:
        own = allowed[labels[allowed] == label]
        chosen.append(own[number % len(own)])
    return np.array(chosen, dtype=np.int64)
