"""A compiled recipe: what runs, in which order, for which images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from pipeline.augment.batched import counter
from pipeline.augment.batched.gates import Gate, fires
from pipeline.augment.batched.grid import (
    DisplacementTransform,
    MatrixTransform,
    SamplingGrid,
    identity,
    masked,
)
from pipeline.augment.batched.sampling import Sampler
from pipeline.augment.batched.transform import (
    UNIT,
    Draws,
    ImageTransform,
    Interval,
    Params,
    Size,
    Transform,
    per_image,
    selects_images,
)

_NOISE_COUNTERS = 1 << 32
"""Counters set aside for each transform's noise; the recipe's scalars use those below."""

_ANY_SAMPLER = Sampler("bilinear", "replicate", 0.0)
"""For flips alone: they show each pixel as it is."""

_Scalars = dict[int | None, dict[str, Tensor]]
"""float32 (B,) for each name, under its leaf's index; gates' under None."""


@dataclass(frozen=True)
class Leaf:
    """One transform of a recipe, which fires where all of its gates open.

    The sampler is how a geometric transform reads the image; None if it does not matter.
    """

    transform: Transform
    gates: tuple[Gate, ...]
    sampler: Sampler | None = None

    @property
    def geometric(self) -> bool:
        """Whether it moves pixels and does not change their values."""
        return not isinstance(self.transform, ImageTransform)

    def apply(self, pixels: Tensor, params: Params) -> Tensor:
        """Return the effect of this transform alone, on every image.

        Pixels are float32 (B, C, H, W), whole numbers 0..255, before and after; the parameters are
        from the transform's `draw`.
        """
        if isinstance(self.transform, ImageTransform):
            return self.transform.apply(pixels, params)
        size = (pixels.shape[-2], pixels.shape[-1])
        grid = SamplingGrid(len(pixels), size, pixels.device)
        self.extend(grid, params, size, active=None)
        return (self.sampler or _ANY_SAMPLER)(pixels, grid)

    def extend(self, grid: SamplingGrid, params: Params, size: Size, active: Tensor | None) -> None:
        """Compose a geometric transform's sampling map with the grid of those that come after.

        It fires where bool (B,) `active` is true, or everywhere; (H, W) is the images' size.
        """
        if isinstance(self.transform, MatrixTransform):
            matrix = self.transform.matrix(params, size)
            if active is not None:
                matrix = torch.where(active[:, None, None], matrix, identity(matrix.device))
            of = self.transform
            grid.map(matrix, projective=of.projective, whole_pixels=of.whole_pixels)
        else:
            assert isinstance(self.transform, DisplacementTransform)
            field = self.transform.field(params, size)
            grid.displace(field if active is None else masked(field, active))


@dataclass(frozen=True)
class _Step:
    """Leaves, with their places, that are run together: an image transform or geometric ones."""

    leaves: Sequence[tuple[int, Leaf]]
    sampler: Sampler | None

    @property
    def geometric(self) -> bool:
        """Whether the images are resampled."""
        return self.leaves[0][1].geometric


class BatchedRecipe:
    """A recipe as a function of a batch of images and one key for each of them.

    Nothing in it waits for the device or depends on the values of the draws in its control flow on
    a GPU. On the CPU, a transform that fires for some images is run on those alone.
    """

    def __init__(self, leaves: Sequence[Leaf], *, fuse: bool = True) -> None:
        """Take the transforms in their order; `fuse` as in `compile_recipe`."""
        self.leaves = tuple(leaves)
        self._steps = _steps(self.leaves, fuse=fuse)
        # All scalars of the recipe are drawn at once: a row for each, gates and parameters alike.
        rows: dict[tuple[int | None, str], Interval] = {}
        for index, leaf in enumerate(self.leaves):
            rows |= {(None, c): UNIT for gate in leaf.gates for c in gate.columns}
            rows |= {(index, name): i for name, i in leaf.transform.intervals.items()}
        self._rows = list(rows)
        self._intervals = tuple(rows.values())

    def __call__(self, images: Tensor, keys: Tensor, *, dtype: torch.dtype = torch.uint8) -> Tensor:
        """Return the images, each augmented by a draw of its own.

        Images are uint8 (B, C, H, W) on any device and stay as they are; an image's draw depends on
        its key alone, int64 (B,) on that device, see `image_keys`. Another `dtype` has the same
        whole numbers 0..255: float32 saves a conversion where the next thing is to normalise.
        """
        if not len(images):
            return images.to(dtype)
        scalars = self._draw_scalars(keys)
        pixels = images.to(torch.float32)
        for step in self._steps:
            if not step.geometric:
                ((index, leaf),) = step.leaves
                pixels = self._apply(pixels, keys, index, leaf, scalars)
                continue
            size = (pixels.shape[-2], pixels.shape[-1])
            grid = SamplingGrid(len(pixels), size, pixels.device)
            for index, leaf in reversed(step.leaves):
                draws = self._draws(index, scalars[index], keys, pixels)
                params = leaf.transform.draw(draws, size)
                leaf.extend(grid, params, size, fires(leaf.gates, scalars[None]))
            pixels = (step.sampler or _ANY_SAMPLER)(pixels, grid)
        return pixels.to(dtype)

    def _draw_scalars(self, keys: Tensor) -> _Scalars:
        scalars: _Scalars = {index: {} for index in (None, *range(len(self.leaves)))}
        if self._rows:
            counters, low, span = _ranges(self._intervals, keys.device)
            values = counter.uniform(keys, counters).mul_(span).add_(low)
            for (index, name), row in zip(self._rows, values.unbind(), strict=True):
                scalars[index][name] = row
        return scalars

    def _draws(
        self, index: int, values: Mapping[str, Tensor], keys: Tensor, images: Tensor
    ) -> Draws:
        return Draws(values, keys, (index + 1) * _NOISE_COUNTERS, images.shape[1])

    def _apply(
        self, pixels: Tensor, keys: Tensor, index: int, leaf: Leaf, scalars: _Scalars
    ) -> Tensor:
        size = (pixels.shape[-2], pixels.shape[-1])
        active = fires(leaf.gates, scalars[None])
        if active is not None and selects_images(pixels.device):
            # A draw depends on its image's key alone, so the chosen images can be drawn for alone.
            chosen = active.nonzero()[:, 0]
            values = {name: value[chosen] for name, value in scalars[index].items()}
            params = leaf.transform.draw(self._draws(index, values, keys[chosen], pixels), size)
            return pixels.index_copy(0, chosen, leaf.apply(pixels[chosen], params))
        params = leaf.transform.draw(self._draws(index, scalars[index], keys, pixels), size)
        applied = leaf.apply(pixels, params)
        return applied if active is None else torch.where(per_image(active), applied, pixels)


@lru_cache(maxsize=64)
def _ranges(intervals: tuple[Interval, ...], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return counters, lows and widths of the scalars, each (number of scalars, 1)."""
    low, high = torch.tensor(intervals, dtype=torch.float64, device="cpu").unbind(dim=1)
    counters = torch.arange(len(intervals))[:, None].to(device)
    span = (high - low).to(torch.float32)[:, None].to(device)
    return counters, low.to(torch.float32)[:, None].to(device), span


def _steps(leaves: Sequence[Leaf], *, fuse: bool) -> list[_Step]:
    """Return the leaves in groups that are run together."""
    steps: list[_Step] = []
    for place, leaf in enumerate(leaves):
        last = steps[-1] if steps else None
        if (
            fuse
            and (last and last.geometric and leaf.geometric)
            and (None in (last.sampler, leaf.sampler) or last.sampler == leaf.sampler)
        ):
            steps[-1] = _Step([*last.leaves, (place, leaf)], last.sampler or leaf.sampler)
        else:
            steps.append(_Step([(place, leaf)], leaf.sampler))
    return steps
