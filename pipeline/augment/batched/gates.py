"""Which images a transform fires for: `p` and the combinators, as masks over the batch."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override


@dataclass(frozen=True)
class Gate(ABC):
    """A condition for a transform to fire, decided for each image on its own.

    Attributes:
        columns: The names of the uniform draws on [0, 1) that decide.
    """

    columns: tuple[str, ...]

    @abstractmethod
    def opens(self, units: Mapping[str, Tensor]) -> Tensor:
        """Return bool (B,) from the draws, float32 (B,) each."""


@dataclass(frozen=True)
class Coin(Gate):
    """Opens with probability `p`, like `random() < p` in albumentations' `should_apply`."""

    p: float

    @override
    def opens(self, units: Mapping[str, Tensor]) -> Tensor:
        (column,) = self.columns
        return units[column] < self.p


@dataclass(frozen=True)
class Weighted(Gate):
    """Opens where a draw falls between two of the cumulated weights: one child of `OneOf`."""

    low: float
    high: float

    @override
    def opens(self, units: Mapping[str, Tensor]) -> Tensor:
        (column,) = self.columns
        return (units[column] >= self.low) & (units[column] < self.high)


@dataclass(frozen=True)
class Ranked(Gate):
    """Opens where a child's draw has one of the ranks `first` … `last` among all children's.

    Ranking independent uniforms is a uniform random permutation, so "rank below n" is a sample of
    n without replacement and "rank = s" is what stands at place s of a random order.
    """

    child: int
    first: int
    last: int

    @override
    def opens(self, units: Mapping[str, Tensor]) -> Tensor:
        draws = torch.stack([units[column] for column in self.columns])
        own = draws[self.child]
        # Ties (probability 2⁻²⁴ a pair) go to the earlier child, so that the ranks stay distinct.
        rank = (draws[: self.child] <= own).sum(dim=0) + (draws[self.child + 1 :] < own).sum(dim=0)
        return (rank >= self.first) & (rank <= self.last)


@dataclass(frozen=True)
class Repeated(Gate):
    """Opens where at least `times` of the draws, one per place, chose this child.

    Sampling with replacement: `SomeOf(replace=True)` runs a child as often as it was chosen.
    """

    child: int
    num_children: int
    times: int

    @override
    def opens(self, units: Mapping[str, Tensor]) -> Tensor:
        draws = torch.stack([units[column] for column in self.columns])
        chosen = torch.floor(draws * self.num_children).clamp_(max=self.num_children - 1)
        return (chosen == self.child).sum(dim=0) >= self.times


def fires(gates: tuple[Gate, ...], units: Mapping[str, Tensor]) -> Tensor | None:
    """Return bool (B,): where all gates open; None where there is no gate, so always."""
    active = None
    for gate in gates:
        opened = gate.opens(units)
        active = opened if active is None else active & opened
    return active
