"""Tables for people in 80 columns, and the same rows as CSV for programs."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from rich.table import Table

_Row = TypeVar("_Row")


def new_table(title: str, columns: Mapping[str, str]) -> Table:
    """Return an empty table whose long names are broken rather than cut.

    `columns` are heading → "left", "right", or "name" for the one column that gives way.
    """
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for heading, kind in columns.items():
        if kind == "name":
            table.add_column(heading, overflow="fold")
        else:
            table.add_column(heading, justify="right" if kind == "right" else "left", no_wrap=True)
    return table


def csv_text(columns: Mapping[str, Callable[[_Row], object]], rows: Iterable[_Row]) -> str:
    """Return rows as CSV; `columns` are heading → how a row's value is told, None if unknown."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([value(row) for value in columns.values()] for row in rows)
    return text.getvalue()
