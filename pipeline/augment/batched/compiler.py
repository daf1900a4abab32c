"""From an albumentations recipe to a flat list of compiled transforms, each with its gates."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, count, pairwise
from typing import Any

import albumentations as A

from pipeline.augment.batched.compiled import BatchedRecipe, Leaf
from pipeline.augment.batched.gates import Gate, coin, ranked, repeated, weighted
from pipeline.augment.batched.grid import DisplacementTransform
from pipeline.augment.batched.sampling import BORDERS, INTERPOLATIONS, Sampler, channel_fill
from pipeline.augment.batched.support import COMBINATORS, refusals, support_of
from pipeline.augment.batched.transform import ImageTransform, Shape, Size, Transform


class NotCompilable(Exception):
    """A recipe that the batched engine would not run with the same meaning.

    There is a reason for each obstacle, a sentence that names the transform and the argument.
    """

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def compile_recipe(
    recipe: A.Compose, *, fuse: bool = True, size: Size = (28, 28), num_channels: int = 1
) -> BatchedRecipe:
    """Compile a recipe to operations on whole batches of images of `size` (H, W).

    Several geometric transforms in a row that read the image in the same way resample it once;
    without `fuse` each does, as in albumentations.

    Raises:
        NotCompilable: A transform, an argument or a combinator is not covered, or images come out
            in another size.
    """
    compiler = _Compiler(size, num_channels)
    leaves = list(compiler.flatten(recipe, (), forced=False))
    if not compiler.reasons and compiler.size != size:
        made, given = ("×".join(map(str, each)) for each in (compiler.size, size))
        compiler.reasons.append(f"the recipe makes images of {made} pixels from {given}")
    if compiler.reasons:
        raise NotCompilable(list(dict.fromkeys(compiler.reasons)))
    return BatchedRecipe(leaves, fuse=fuse)


@dataclass
class _Compiler:
    """Walks a recipe and collects what it cannot compile.

    The size is that of the images at the place where the walk is.
    """

    size: Size
    num_channels: int
    reasons: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)

    def flatten(self, node: Any, gates: tuple[Gate, ...], *, forced: bool) -> Iterator[Leaf]:
        """Yield the transforms under a node in the order in which they run.

        The gates are the conditions for the node to be reached; its own `p` is not asked where it
        is forced, as a child of `OneOf` is.
        """
        kind = type(node)
        # albumentations' SomeOf asks its own p even where it is forced.
        forced = forced and kind not in (A.SomeOf, A.RandomOrder)
        inner: tuple[Gate, ...] | None = gates  # None where it never fires
        if node.p < 1 and not forced:
            inner = (*gates, coin(self._column(), node.p)) if node.p > 0 else None
        if kind not in COMBINATORS:
            yield from self._leaf(node, inner)
        elif inner is None or kind is A.NoOp or not node.transforms:
            return
        elif kind is A.OneOf:
            yield from self._one_of(node, inner)
        elif kind is A.SomeOf or kind is A.RandomOrder:
            yield from self._some_of(node, inner)
        else:
            for child in node.transforms:
                yield from self.flatten(child, inner, forced=False)

    def _column(self) -> str:
        return f"gate{next(self._numbers)}"

    def _one_of(self, node: Any, gates: tuple[Gate, ...]) -> Iterator[Leaf]:
        column = self._column()
        # The last weight ends above 1, so that rounding leaves no gap at the top.
        bounds = [0.0, *accumulate(node.transforms_ps[:-1]), 2.0]
        for child, (low, high) in zip(node.transforms, pairwise(bounds), strict=True):
            if high > low:
                yield from self.flatten(child, (*gates, weighted(column, low, high)), forced=True)

    def _some_of(self, node: Any, gates: tuple[Gate, ...]) -> Iterator[Leaf]:
        in_order, times = type(node) is A.SomeOf, range(node.n)
        number = len(node.transforms)
        children = range(number)
        if not node.replace:
            columns = [self._column() for _ in children]
            places = [(0, node.n - 1)] if in_order else [(place, place) for place in times]
            runs = [(c, ranked(columns, c, *place)) for place in places for c in children]
        else:
            columns = [self._column() for _ in times]
            if in_order:
                runs = [(c, repeated(columns, c, number, n + 1)) for c in children for n in times]
            else:
                runs = [(c, repeated([each], c, number, 1)) for each in columns for c in children]
        for child, gate in runs:
            yield from self.flatten(node.transforms[child], (*gates, gate), forced=False)

    def _leaf(self, node: Any, gates: tuple[Gate, ...] | None) -> Iterator[Leaf]:
        support = support_of(node)
        if support is None:
            self.reasons.append(f"{type(node).__name__}: no batched version of this transform")
            return
        shape: Shape = (self.num_channels, *self.size)
        refused = list(refusals(node, support, shape))
        self.reasons += refused
        if refused or gates is None:
            return
        transform = support.build(node)
        size = transform.output_size(self.size)
        if size != self.size and gates:
            self.reasons.append(
                f"{type(node).__name__}: changes the size of some images only; it must be outside "
                "of combinators, with p=1"
            )
        self.size = size
        yield Leaf(transform, gates, _sampler(node, transform, self.num_channels))


def _sampler(node: Any, transform: Transform, num_channels: int) -> Sampler | None:
    """Return how a geometric transform reads the image; None for a flip, which any way suits."""
    if isinstance(transform, ImageTransform) or not hasattr(node, "interpolation"):
        return None
    border = BORDERS[node.border_mode]
    extends = not isinstance(transform, DisplacementTransform)
    fill = channel_fill(node.fill, num_channels, extends=extends) if border == "constant" else 0.0
    return Sampler(INTERPOLATIONS[node.interpolation], border, fill)
