"""The table of all runs."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.table import Table
from rich.text import Text

from pipeline.board.runs import RunRow
from pipeline.board.tables import csv_text, new_table

_COLUMNS = {
    "run": "name",
    "seed": "right",
    "folds": "right",
    "accuracy": "right",
    "images": "right",
    "time": "right",
    "score": "right",
}
_CSV_COLUMNS = (
    *("run", "changed_at", "competition", "preset", "model", "augment", "seeds", "members"),
    *("folds_done", "num_folds", "accuracy", "low", "high", "correct", "total", "elapsed_s"),
    *("score", "fault"),
)


def runs_table(rows: Sequence[RunRow]) -> Table:
    """Return the runs as a table of two lines each, in the order given."""
    table = new_table("Runs", _COLUMNS)
    for row in rows:
        accuracy = row.accuracy
        table.add_row(
            Text.assemble(row.name, "\n", (_describe(row), "dim")),
            _join_seeds(row.seeds),
            f"{row.folds_done}/{row.num_folds}" if row.num_folds else "",
            Text.assemble(f"{accuracy.value:.4f}\n", (_interval(accuracy.interval()), "dim"))
            if accuracy
            else "",
            f"{accuracy.total:,}" if accuracy else "",
            _clock(row.elapsed_s) if row.elapsed_s else "",
            "" if row.score is None else f"{row.score:.5f}",
        )
    return table


def _describe(row: RunRow) -> str:
    if not row.model:
        return "  damaged"
    parts = f"{row.preset}, {row.model}, {row.augment}"
    return f"  {row.num_members}× {parts}" if row.num_members else f"  {parts}"


def _join_seeds(seeds: Sequence[int]) -> str:
    """At most three, so that the column stays narrow."""
    return ",".join(map(str, seeds)) if len(seeds) <= 3 else f"{len(seeds)} seeds"


def _interval(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.4f}-{interval[1]:.4f}"


def _clock(elapsed_s: float) -> str:
    """Hours, minutes and seconds, as 1:02:03 or 0:02:03."""
    return str(timedelta(seconds=round(elapsed_s)))


def runs_csv(rows: Sequence[RunRow]) -> str:
    """Return the runs as CSV, in the order given."""
    return csv_text(_CSV_COLUMNS, [_csv_row(row) for row in rows])


def _csv_row(row: RunRow) -> dict[str, object]:
    accuracy = row.accuracy
    low, high = accuracy.interval() if accuracy else (None, None)
    return {
        "run": row.name,
        "changed_at": datetime.fromtimestamp(row.changed_at, UTC).isoformat(timespec="seconds"),
        "competition": row.competition,
        "preset": row.preset,
        "model": row.model,
        "augment": row.augment,
        "seeds": " ".join(map(str, row.seeds)),
        "members": row.num_members,
        "folds_done": row.folds_done,
        "num_folds": row.num_folds,
        "accuracy": accuracy and accuracy.value,
        "low": low,
        "high": high,
        "correct": accuracy and accuracy.correct,
        "total": accuracy and accuracy.total,
        "elapsed_s": round(row.elapsed_s, 1),
        "score": row.score,
        "fault": row.fault,
    }
