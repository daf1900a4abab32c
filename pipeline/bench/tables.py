"""The form that all of the benchmark's tables have; they fit a terminal of 80 columns."""

from rich import box
from rich.table import Table


def new_table(title: str, caption: str, names: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    """Return an empty table.

    Args:
        title: Above it.
        caption: Below it: what the numbers are.
        names: Headings of the first columns, which hold words.
        numbers: Headings of the others, which hold numbers.
    """
    table = Table(box=box.SIMPLE_HEAD, title=title, caption=caption)
    for heading in names:
        table.add_column(heading, no_wrap=True)
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
