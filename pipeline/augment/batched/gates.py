"""Which images a transform fires for: `p` and the combinators, as masks over the batch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Gate:
    """A condition for a transform to fire, decided for each image on its own.

    Attributes:
        columns: The names of the uniform draws on [0, 1) that decide.
        opens: From these draws, float32 (B,) each, to bool (B,).
    """

    columns: Sequence[str]
    opens: Callable[..., Tensor]


def coin(column: str, p: float) -> Gate:
    """Open with probability `p`, like `random() < p` in albumentations' `should_apply`."""
    return Gate((column,), lambda unit: unit < p)


def weighted(column: str, low: float, high: float) -> Gate:
    """Open where the draw falls between two of the cumulated weights: one child of `OneOf`."""
    return Gate((column,), lambda unit: (unit >= low) & (unit < high))


def ranked(columns: Sequence[str], child: int, first: int, last: int) -> Gate:
    """Open where a child's draw has one of the ranks `first` … `last` among all children's.

    Ranking independent uniforms is a uniform random permutation, so "rank below n" is a sample of
    n without replacement and "rank = s" is what stands at place s of a random order.
    """

    def opens(*units: Tensor) -> Tensor:
        draws = torch.stack(units)
        own = draws[child]
        # Ties (probability 2⁻²⁴ a pair) go to the earlier child, so that the ranks stay distinct.
        rank = (draws[:child] <= own).sum(dim=0) + (draws[child + 1 :] < own).sum(dim=0)
        return (rank >= first) & (rank <= last)

    return Gate(columns, opens)


def repeated(columns: Sequence[str], child: int, num_children: int, times: int) -> Gate:
    """Open where at least `times` of the draws, one per place, chose this child.

    Sampling with replacement: `SomeOf(replace=True)` runs a child as often as it was chosen.
    """

    def opens(*units: Tensor) -> Tensor:
        chosen = torch.floor(torch.stack(units) * num_children).clamp_(max=num_children - 1)
        return (chosen == child).sum(dim=0) >= times

    return Gate(columns, opens)


def fires(gates: Sequence[Gate], units: Mapping[str, Tensor]) -> Tensor | None:
    """Return bool (B,): where all gates open; None where there is no gate, so always."""
    active = None
    for gate in gates:
        opened = gate.opens(*(units[column] for column in gate.columns))
        active = opened if active is None else active & opened
    return active
