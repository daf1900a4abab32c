"""From an albumentations recipe to a flat list of compiled transforms, each with its gates."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, count, pairwise
from typing import Any

import albumentations as A

from pipeline.augment.batched.compiled import BatchedRecipe, Leaf
from pipeline.augment.batched.gates import Coin, Gate, Ranked, Repeated, Weighted
from pipeline.augment.batched.grid import DisplacementTransform, MatrixTransform
from pipeline.augment.batched.rules import fill_value
from pipeline.augment.batched.sampling import BORDERS, INTERPOLATIONS, Sampler
from pipeline.augment.batched.support import refusals, support_of
from pipeline.augment.batched.transform import Size


class NotCompilable(Exception):
    """A recipe that the batched engine would not run with the same meaning.

    Attributes:
        reasons: One sentence for each obstacle, naming the transform and the argument.
    """

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def compile_recipe(recipe: A.Compose, *, fuse: bool = True, size: Size = (28, 28)) -> BatchedRecipe:
    """Compile a recipe to operations on whole batches.

    Args:
        recipe: What albumentations would run on each image.
        fuse: Resample the images once for several geometric transforms in a row, where these read
            the image in the same way; else once for each, as albumentations does.
        size: (H, W) of the images; what has a meaning of its own in so small an image is refused.

    Returns:
        The recipe as a function of images and keys.

    Raises:
        NotCompilable: A transform, an argument or a combinator is not covered.
    """
    compiler = _Compiler(size)
    leaves = list(compiler.flatten(recipe, (), forced=False))
    if compiler.reasons:
        raise NotCompilable(list(dict.fromkeys(compiler.reasons)))
    return BatchedRecipe(leaves, fuse=fuse)


@dataclass
class _Compiler:
    """Walks a recipe and collects what it cannot compile."""

    size: Size

    def __post_init__(self) -> None:
        self.reasons: list[str] = []
        self._numbers = count()

    def flatten(self, node: Any, gates: tuple[Gate, ...], *, forced: bool) -> Iterator[Leaf]:
        """Yield the transforms under a node in the order in which they run.

        Args:
            node: A transform or a combinator.
            gates: The conditions for the node to be reached.
            forced: The node's own `p` is not to be asked: a child of `OneOf`.
        """
        kind = type(node)
        if kind is A.SomeOf or kind is A.RandomOrder:
            # albumentations' SomeOf asks its own p even where it is forced.
            yield from self._some_of(node, self._with_coin(node, gates, forced=False))
        elif kind is A.OneOf:
            yield from self._one_of(node, self._with_coin(node, gates, forced=forced))
        elif kind is A.Compose or kind is A.Sequential:
            inner = self._with_coin(node, gates, forced=forced)
            if inner is not None:
                for child in node.transforms:
                    yield from self.flatten(child, inner, forced=False)
        elif kind is not A.NoOp:
            yield from self._leaf(node, self._with_coin(node, gates, forced=forced))

    def _column(self) -> str:
        return f"gate{next(self._numbers)}"

    def _with_coin(
        self, node: Any, gates: tuple[Gate, ...], *, forced: bool
    ) -> tuple[Gate, ...] | None:
        """Return the gates with the node's own `p` added; None where it never fires."""
        if forced or node.p >= 1:
            return gates
        return (*gates, Coin((self._column(),), node.p)) if node.p > 0 else None

    def _one_of(self, node: Any, gates: tuple[Gate, ...] | None) -> Iterator[Leaf]:
        if gates is None or not node.transforms:
            return
        column = self._column()
        # The last weight ends above 1, so that rounding leaves no gap at the top.
        bounds = [0.0, *accumulate(node.transforms_ps[:-1]), 2.0]
        for child, (low, high) in zip(node.transforms, pairwise(bounds), strict=True):
            if high > low:
                chosen = (*gates, Weighted((column,), low, high))
                yield from self.flatten(child, chosen, forced=True)

    def _some_of(self, node: Any, gates: tuple[Gate, ...] | None) -> Iterator[Leaf]:
        if gates is None or not node.transforms:
            return
        in_order = type(node) is A.SomeOf
        children = list(enumerate(node.transforms))
        if not node.replace:
            columns = tuple(self._column() for _ in children)
            places = [(0, node.n - 1)] if in_order else [(s, s) for s in range(node.n)]
            for first, last in places:
                for index, child in children:
                    chosen = (*gates, Ranked(columns, index, first, last))
                    yield from self.flatten(child, chosen, forced=False)
            return
        columns = tuple(self._column() for _ in range(node.n))
        if in_order:
            runs = [
                (index, columns, times) for index, _ in children for times in range(1, node.n + 1)
            ]
        else:
            runs = [(index, (column,), 1) for column in columns for index, _ in children]
        for index, asked, times in runs:
            chosen = (*gates, Repeated(asked, index, len(children), times))
            yield from self.flatten(node.transforms[index], chosen, forced=False)

    def _leaf(self, node: Any, gates: tuple[Gate, ...] | None) -> Iterator[Leaf]:
        support = support_of(node)
        if support is None:
            self.reasons.append(f"{type(node).__name__}: no batched version of this transform")
            return
        refused = list(refusals(node, support, self.size))
        self.reasons += refused
        if refused or gates is None:
            return
        transform = support.build(node)
        sampler = None
        if isinstance(transform, MatrixTransform | DisplacementTransform):
            sampler = _sampler(node)
        yield Leaf(support.source.__name__, transform, gates, sampler)


def _sampler(node: Any) -> Sampler | None:
    """Return how a geometric transform reads the image; None for a flip, which any way suits."""
    if not hasattr(node, "interpolation"):
        return None
    border = BORDERS[node.border_mode]
    fill = float(fill_value(node.fill)) if border == "constant" else 0.0
    return Sampler(INTERPOLATIONS[node.interpolation], border, fill)
