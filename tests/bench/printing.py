"""A table as a terminal of 80 columns shows it."""

import io

from rich.console import Console
from rich.table import Table


def printed(table: Table) -> str:
    out = io.StringIO()
    Console(file=out, width=80).print(table)
    assert "…" not in out.getvalue(), "nothing is cut off"
    return out.getvalue()
