"""Both engines mean the same by whatever arguments albumentations accepts.

Recipes of one transform are drawn with arguments over the whole range that albumentations accepts.
What compiles must show albumentations' pixels under the same drawn parameters, and images that are
distributed as albumentations' are, those from its stored text included. The rest is refused.
"""

import random
from collections import Counter
from typing import Any

import albumentations as A
import numpy as np
import pytest
import torch
from scipy import stats

from pipeline.augment.batched import BatchedRecipe, NotCompilable, compile_recipe, image_keys
from pipeline.augment.batched.support import TRANSFORMS, support_of
from pipeline.augment.checking import augment_image
from pipeline.augment.registry import deserialise, serialise
from pipeline.errors import UserError
from tests.augment.arguments import random_transform
from tests.augment.parameters import their_parameters
from tests.augment.reference import (
    CHANGE_SIZE,
    channels_first,
    channels_last,
    compiled_leaf,
    run_albumentations,
)

FEW, MANY = 2, 30
"""Recipes compared for each transform: always, and in the slow test."""

NUM_THEIRS, NUM_OURS = 150, 600
FALSE_ALARM = 1e-8  # of each comparison of distributions, of which a recipe has 44

LEVELS = 2.01
"""How far apart values may be that count as equal between two distributions."""

TIES = 0.003
"""The share of pixels that may be any distance off where rounding decides: halfway between two
pixels of which the nearest is shown, and where an UnsharpMask of weights like 1/4 or 1/9 takes away
just as much as its whole threshold."""


def draw_and_compare(cls: type[A.BasicTransform], count: int, images: np.ndarray) -> Counter[str]:
    """Draw recipes until so many compiled and were compared; return what became of all."""
    rng = random.Random(cls.__name__)
    outcomes: Counter[str] = Counter()
    while outcomes["compiled"] < count:
        assert outcomes.total() < 10 * count, f"of {cls.__name__} hardly any compiles: {outcomes}"
        arguments, transform = random_transform(cls, rng)
        if cls is A.HueSaturationValue and images.ndim == 3:
            # Compiles as it is stored: grey images have no colours.
            (transform,) = deserialise(serialise(A.Compose([transform]), "mine")).transforms
        try:
            outcomes[compare(transform, images)] += 1
        except Exception as error:
            raise AssertionError(f"{cls.__name__}({arguments}): {error}") from error
    return outcomes


def compare(transform: Any, images: np.ndarray) -> str:
    """Return "compiled", "refused", or "failed" where it fails in albumentations.

    Raises:
        AssertionError: The engines differ.
    """
    recipe, num_channels = A.Compose([transform]), images.shape[3] if images.ndim == 4 else 1
    try:
        compiled = compile_recipe(recipe, num_channels=num_channels)
    except NotCompilable:
        return "refused"
    image = images[30]  # soft
    try:
        # It accepts a hue of 0.9 for a ColorJitter, and not the (-0.9, 0.9) that it makes of it.
        stored = deserialise(serialise(recipe, "mine"), num_channels=num_channels)
        theirs = by_albumentations(recipe, image, seed=0)
    except UserError:  # as the check before a training would say
        return "failed"
    compare_pixels(transform, images)
    compare_distributions(theirs, by_albumentations(stored, image, seed=1), "its text reads")
    for each in (image, images[0]):  # soft, and noise
        theirs = by_albumentations(recipe, each, seed=2)
        compare_distributions(theirs, by_batches(compiled, each), "the batched engine draws")
    return "compiled"


def compare_pixels(transform: Any, images: np.ndarray) -> None:
    """Raise AssertionError if pixels differ under the same parameters."""
    if getattr(transform, "fill", 0) in ("random", "random_uniform"):
        return  # drawn by the pixel
    some = images[::4]
    given = channels_first(some).to(torch.float32)
    leaf, support = compiled_leaf(transform, given.shape[1]), support_of(transform)
    expected, *drawn = zip(*run_albumentations(transform, some, seed=1), strict=True)
    together = their_parameters(leaf, transform, list(zip(*drawn, strict=True)))
    actual = leaf.apply(given, together)
    assert torch.equal(actual, actual.round().clamp(0, 255)), "values are not whole numbers 0..255"
    error = np.abs(channels_last(actual) - np.stack(expected))
    by_rounding = support.source is A.UnsharpMask or getattr(transform, "interpolation", 1) == 0
    rare = max(support.rare, TIES if by_rounding else 0)
    share = (error > support.tolerance).mean()
    assert share <= rare, f"{share:.2%} of the pixels are off by up to {error.max():.0f}"


def by_albumentations(recipe: A.Compose, image: np.ndarray, seed: int) -> np.ndarray:
    """Return uint8 (NUM_THEIRS, H, W · C)."""
    drawn = [augment_image(recipe, np.atleast_3d(image), (seed, n)) for n in range(NUM_THEIRS)]
    return np.stack(drawn).reshape(NUM_THEIRS, len(image), -1)


def by_batches(recipe: BatchedRecipe, image: np.ndarray) -> np.ndarray:
    """Return uint8 (NUM_OURS, H, W · C)."""
    images = channels_first(image[None]).expand(NUM_OURS, -1, -1, -1).contiguous()
    drawn = recipe(images, image_keys(7, 0, torch.arange(NUM_OURS)))
    return channels_last(drawn).reshape(NUM_OURS, len(image), -1)


def compare_distributions(theirs: np.ndarray, ours: np.ndarray, what: str) -> None:
    """Raise AssertionError if images of one engine are not distributed as the other's."""
    for name, a, b in zip(NUMBERS, numbers_of(theirs), numbers_of(ours), strict=True):
        for shift, side in ((-LEVELS, "less"), (LEVELS, "greater")):
            test = stats.ks_2samp(a + shift, b, alternative=side, method="asymp")
            assert test.pvalue > FALSE_ALARM, f"{what} other images: {name}, p = {test.pvalue:.1e}"


PIXELS = [(3, 20), (7, 5), (13, 14), (14, 13), (20, 27), (27, 27), (0, 9)]  # not (0, 0): noise is 0
NUMBERS = ["mean", "spread", "to the right", "downwards", *map(str, PIXELS)]


def numbers_of(images: np.ndarray) -> list[np.ndarray]:
    """Return `NUMBERS` that tell images apart, in levels, each (N,)."""
    images = images.astype(float)
    row, column = (np.linspace(0, 2, length) for length in images.shape[1:])
    of_all = [images, (images - images.mean(axis=(1, 2), keepdims=True)) ** 2]
    of_all += [images * column, images * row[:, None]]
    mean, variance, right, down = (each.mean(axis=(1, 2)) for each in of_all)
    return [mean, np.sqrt(variance), right, down, *(images[:, y, x] for y, x in PIXELS)]


# The arguments of those that change the size are sizes: `test_pixels` has some.
SOURCES = [s.source for s in TRANSFORMS if s.on_grey and s.source not in CHANGE_SIZE]
OF_COLOURS = [A.HueSaturationValue, *(s.source for s in TRANSFORMS if not s.on_grey)]
HAVE_ARGUMENTS = [cls for cls in SOURCES if set(cls.InitSchema.model_fields) - {"p", "strict"}]


@pytest.mark.filterwarnings("ignore::UserWarning:albumentations.*")
@pytest.mark.parametrize("cls", SOURCES)
def test_both_engines_mean_the_same(cls, images):
    draw_and_compare(cls, FEW if cls in HAVE_ARGUMENTS else 1, images)


@pytest.mark.parametrize("cls", OF_COLOURS)
def test_both_engines_mean_the_same_by_colours(cls, coloured):
    draw_and_compare(cls, 2 * FEW, coloured)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning:albumentations.*")
@pytest.mark.parametrize("cls", HAVE_ARGUMENTS)
def test_both_engines_mean_the_same_at_length(cls, images):
    print(cls.__name__, dict(draw_and_compare(cls, MANY, images)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning:albumentations.*")
@pytest.mark.parametrize("cls", [*HAVE_ARGUMENTS, *OF_COLOURS[1:]])
def test_both_engines_mean_the_same_at_length_in_colour(cls, coloured):
    print(cls.__name__, dict(draw_and_compare(cls, MANY // 3, coloured)))
