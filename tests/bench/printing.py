"""A table as a terminal of 80 columns shows it."""

import io

from rich.console import Console, RenderableType


def printed(table: RenderableType) -> str:
    out = io.StringIO()
    Console(file=out, width=80).print(table)
    assert "…" not in out.getvalue(), "nothing is cut off"
    return out.getvalue()
