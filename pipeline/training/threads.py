"""How many CPU threads a training uses while other programs want the cores too."""

import contextlib
import time
from collections.abc import Callable, Iterator

import torch

_SHARE = 0.01
"""Of the time, what may be spent on looking which number is the fastest."""
_SHARE_BESIDE_OTHERS = 0.05
"""The same with fewer threads than there are: the other program may have ended."""
_FASTER = 1.25
"""By what factor another number must be faster to be taken."""
_REPEATS = 4


class Threads:
    """As many threads as train fastest: all there are, but fewer beside other programs.

    The threads of an operation wait for the last of them. Where another program keeps one of the
    cores busy, all stand still as long as one of them is put aside, and fewer threads do more: on
    two cores one does half of what two do undisturbed, and two do a quarter. An undisturbed
    training uses all of them from its first step to its last.
    """

    def __init__(self) -> None:
        self._most = self._now = torch.get_num_threads()
        self._used: set[int] = set()
        self._next_look = 0.0

    @property
    def constant(self) -> int | None:
        """The number of threads in all steps so far; None if it changed."""
        used = self._used or {self._now}
        return next(iter(used)) if len(used) == 1 else None

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Let PyTorch use the number found so far."""
        torch.set_num_threads(self._now)
        try:
            yield
        finally:
            torch.set_num_threads(self._most)

    def before_step(self, rehearsal: Callable[[], Callable[[], object]]) -> None:
        """From time to time, see which number is the fastest, and use it from here on.

        `rehearsal` returns what computes as a step does and leaves nothing behind.
        """
        if self._most > 1 and time.perf_counter() >= self._next_look:
            step = rehearsal()
            halvings = [self._most >> i for i in range(self._most.bit_length())]
            seconds = {number: _time(step, number) for number in halvings}
            fastest = min(halvings, key=seconds.__getitem__)
            if seconds[fastest] * _FASTER < seconds[self._now]:
                self._now = fastest
            torch.set_num_threads(self._now)
            share = _SHARE if self._now == self._most else _SHARE_BESIDE_OTHERS
            self._next_look = time.perf_counter() + sum(seconds.values()) / share
        self._used.add(self._now)


def _time(step: Callable[[], object], num_threads: int) -> float:
    torch.set_num_threads(num_threads)
    step()  # other kernels for other numbers: they are prepared once
    start = time.perf_counter()
    for _ in range(_REPEATS):
        step()
    return time.perf_counter() - start
