"""What benchmarks come to: figures that `runs/bench.json` keeps and tables show."""

import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from pydantic import Field, RootModel
from rich import box
from rich.table import Table

from pipeline.data.files import Record, read_record, write_record


class Figure(Record):
    """One quantity of one thing, measured once a round.

    Attributes:
        what: What was measured, as in {"recipe": "Affine", "engine": "kornia"}.
        unit: Of the values.
        values: One for each round, at least one.
        facts: Numbers that the values are to be read with, by name.
    """

    what: dict[str, str]
    unit: str
    values: tuple[float, ...]
    facts: dict[str, int | float] = Field(default_factory=dict)

    @property
    def median(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.values)

    def show(self, form: str = ",.0f") -> str:
        """Return the values as `show_spread` does."""
        return show_spread(self.values, form)


def show_spread(values: Sequence[float], form: str = ",.0f") -> str:
    """Return the median, formatted by `form`, with half the range in percent of it."""
    median, half_range = statistics.median(values), (max(values) - min(values)) / 2
    return f"{median:{form}} ±{half_range / median:.0%}"


class Conditions(Record):
    """Where something was measured, in which precision, and when: UTC, as ISO 8601 has it."""

    device: str
    num_threads: int = Field(default_factory=torch.get_num_threads)
    torch: str = str(torch.__version__)
    measured_at: str = Field(
        default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds")
    )

    @property
    def conditions(self) -> str:
        """What a table's title says of them."""
        threads = "thread" if self.num_threads == 1 else "threads"
        return f"{self.device}, {self.num_threads} CPU {threads}"


class Figures(Conditions):
    """All that one benchmark measured, in the order in which it was."""

    figures: tuple[Figure, ...]


class BenchRecord(RootModel[dict[str, Any]]):
    """`runs/bench.json`: by its name, what each benchmark came to the last time it ran."""


def read_bench_record(path: Path) -> BenchRecord:
    """Return what is there, or an empty record.

    Raises:
        UserError: The file is damaged.
    """
    try:
        return read_record(path, BenchRecord)
    except FileNotFoundError:
        return BenchRecord({})


def save_figures(path: Path, name: str, figures: Record) -> None:
    """Put one benchmark's figures into the file, beside the others'; errors as in reading."""
    write_record(path, BenchRecord(read_bench_record(path).root | {name: figures}))


def new_table(title: str, caption: str, names: Sequence[str], numbers: Sequence[str]) -> Table:
    """Return an empty table of the form that all have: columns of words, then of numbers.

    All fit a terminal of 80 columns. The caption says what the numbers are.
    """
    table = Table(box=box.SIMPLE_HEAD, title=title, caption=caption)
    for heading in names:
        table.add_column(heading, no_wrap=True)
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
