"""A picture of what a recipe does to digits, to be looked at before training on it."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import albumentations as A
import numpy as np
import numpy.typing as npt
import torch

from pipeline.augment.batched import BatchedRecipe, NotCompilable, compile_recipe, image_keys
from pipeline.augment.batched.compiled import Leaf
from pipeline.augment.batched.transform import Draws
from pipeline.augment.checking import augment_image
from pipeline.errors import UserError
from pipeline.report.contact_sheet import ContactSheet

Images = npt.NDArray[np.uint8]
"""uint8 (N, C, H, W)."""

Image = npt.NDArray[np.uint8]
"""uint8 (C, H, W)."""

_COLUMNS = 15  # the original and fourteen draws, or both ends of an affine transform's seven ranges

# The page in pixels of the digits; each becomes 2×2 pixels of the file.
_GAP = 4
_MARGIN = 72  # at the left, for the transforms' names
_HEADER = 38
_LABELS = 15  # over a strip, for two lines of text
_UNITS_PER_INCH = 64
_DPI = 2 * _UNITS_PER_INCH

_GRAY = "0.35"
_BLUE = (31, 119, 180)


_Draw = Callable[[Images, int, int], Images]
"""Augments images; the draw follows from a seed and its number."""


def save_preview(
    path: Path, images: Images, recipe: A.Compose, *, title: str = "Recipe", seed: int = 0
) -> None:
    """Write what `draw_preview` draws to a file; its folder is made if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(draw_preview(images, recipe, title=title, seed=seed))


def draw_preview(images: Images, recipe: A.Compose, *, title: str, seed: int) -> bytes:
    """Return a PNG: each digit with a row of draws, then each transform alone at its extremes.

    Each of the images, uint8 (N, C, H, W), has a row; ten digits in their order make a good
    picture. What the batched engine cannot run is drawn by albumentations. `seed` is of the draws.
    """
    engine, draw, _ = _engine(recipe, images)
    drawn = np.stack([draw(images, seed, number) for number in range(_COLUMNS - 1)])
    strips = list(_strips(recipe, images, seed))
    height, width = images.shape[-2:]
    step, row_height = width + _GAP, height + _GAP
    strips_top = _HEADER + len(images) * row_height + (20 if strips else 0)
    page = ContactSheet(
        _MARGIN + _COLUMNS * step + _GAP,
        strips_top + len(strips) * (_LABELS + row_height) + _GAP,
        units_per_inch=_UNITS_PER_INCH,
        dpi=_DPI,
    )

    def put(column: int, top: int, image: Image) -> None:
        page.put(_MARGIN + column * step, top, image, _BLUE if column == 0 else (215, 215, 215))

    page.write(_GAP, 9, title, size=12, weight="bold")
    page.write(_GAP, 19, f"drawn by {engine}", size=7, color=_GRAY)
    page.write(_MARGIN, _HEADER - 5, "original", size=6, color=_GRAY)
    page.write(_MARGIN + step, _HEADER - 5, "draws", size=6, color=_GRAY)
    for row, image in enumerate(images):
        for column, shown in enumerate([image, *drawn[:, row]]):
            put(column, _HEADER + row * row_height, shown)
    if strips:
        heading = "Each transform alone: at both ends of its ranges, then draws"
        page.write(_MARGIN, strips_top - 8, heading, size=7, color=_GRAY)
    for row, (name, cells) in enumerate(strips):
        top = strips_top + row * (_LABELS + row_height) + _LABELS
        page.write(_MARGIN - _GAP, top + step / 2, name, size=7, ha="right")
        for column, (label, shown) in enumerate(cells):
            put(column, top, shown)
            middle = _MARGIN + column * step + width / 2
            page.write(middle, top - 2, label, size=5.5, ha="center", va="bottom", color=_GRAY)
    return page.png()


def _engine(recipe: A.Compose, images: Images) -> tuple[str, _Draw, tuple[Leaf, ...]]:
    """Return who draws, in words, how, and the transforms if they could be compiled."""
    try:
        compiled = compile_recipe(recipe, size=images.shape[-2:], num_channels=images.shape[1])
    except NotCompilable as refusal:
        return f"albumentations: {refusal}", partial(_by_albumentations, recipe), ()
    return "the batched engine", partial(_by_batches, compiled), compiled.leaves


def _by_batches(recipe: BatchedRecipe, images: Images, seed: int, number: int) -> Images:
    keys = image_keys(seed, number, torch.arange(len(images)))
    augmented: Images = recipe(torch.from_numpy(images), keys).numpy()
    return augmented


def _by_albumentations(recipe: A.Compose, images: Images, seed: int, number: int) -> Images:
    augmented = [
        augment_image(recipe, image.transpose(1, 2, 0), (seed, number, row))
        for row, image in enumerate(images)
    ]
    return np.stack(augmented).transpose(0, 3, 1, 2)


def _strips(
    recipe: A.Compose, images: Images, seed: int
) -> Iterator[tuple[str, list[tuple[str, Image]]]]:
    """Yield each transform of the recipe by name, with labelled images, the original first."""
    image = images[6 % len(images)][None]  # of ten digits in order the 6: half a turn makes a 9
    for transform in _transforms(recipe):
        _, draw, leaves = _engine(A.Compose([_certain(transform)]), image)
        cells = [("original", image[0])]
        for leaf in leaves:
            cells += _extremes(leaf, image)
        with contextlib.suppress(UserError):  # its image has another size: nothing to show
            for number in range(_COLUMNS - len(cells)):
                cells.append(("draw", draw(image, seed, number)[0]))
        yield f"{type(transform).__name__}\np = {transform.p:g}", cells


def _transforms(node: Any) -> Iterator[A.BasicTransform]:
    if isinstance(node, A.BasicTransform):
        if not isinstance(node, A.NoOp):
            yield node
    else:
        for child in node.transforms:
            yield from _transforms(child)


def _certain(transform: A.BasicTransform) -> A.BasicTransform:
    """Return a copy that always fires."""
    copied = A.from_dict(A.to_dict(transform))
    copied.p = 1.0
    return copied


def _extremes(leaf: Leaf, image: Images) -> list[tuple[str, Image]]:
    """Return the image under each parameter's least and greatest value, the others in between."""
    ends = [
        (name, end)
        for name, (low, high) in leaf.transform.intervals.items()
        # Draws on [0, 1) stand for something else: a number of pixels, a place, a choice.
        if low < high and (low, high) != (0.0, 1.0)
        for end in (low, high)
    ]
    if len(ends) > _COLUMNS - 1:
        return []
    return [
        (f"{name.replace('_', ' ')}\n{end:.3g}", _at(leaf, image, name, end)) for name, end in ends
    ]


def _at(leaf: Leaf, image: Images, parameter: str, value: float) -> Image:
    values = {
        name: torch.tensor([value if name == parameter else (low + high) / 2], dtype=torch.float32)
        for name, (low, high) in leaf.transform.intervals.items()
    }
    keys = image_keys(0, 0, torch.zeros(1, dtype=torch.int64))
    params = leaf.transform.draw(Draws(values, keys, 0), image.shape[-2:])
    pixels = torch.from_numpy(image).to(torch.float32)
    shown: Image = leaf.apply(pixels, params).to(torch.uint8)[0].numpy()
    return shown
