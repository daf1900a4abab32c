"""`history.csv`: a training's numbers, epoch by epoch."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.data.files import write_text
from pipeline.errors import UserError


def write_history(path: Path, epochs: Sequence[Mapping[str, float]]) -> None:
    """Write `history.csv`: one row per epoch, at least one, all with the same columns."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(epochs[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(epochs)
    write_text(path, text.getvalue())


def read_history(path: Path) -> list[dict[str, float]]:
    """Return the rows of `history.csv`, by column.

    Raises:
        FileNotFoundError: There is no such file.
        UserError: The file is damaged.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [
                {name: float(value) for name, value in row.items()}
                for row in csv.DictReader(file, strict=True)
            ]
        if not rows:
            raise ValueError("it has no rows")
    except (ValueError, TypeError, csv.Error) as error:
        raise UserError(
            f"{path} is damaged ({error}); delete the fold and run `make train`."
        ) from None
    return rows
