"""The leaderboard table of the user's own submissions."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from pipeline.board.submissions import Entry
from pipeline.board.tables import csv_text, new_table, one_line

_COLUMNS = {
    "submitted": "left",
    "run": "name",
    "out of\nfold": "right",
    "images": "right",
    "expected 95 %": "right",
    "score": "right",
    "": "left",
}
_CSV_COLUMNS = (
    *("submitted_at", "reference", "run", "valid_accuracy", "valid_correct", "valid_total"),
    *("expected_low", "expected_high", "status", "score", "verdict", "message"),
)
_STYLE = {"inside": "green", "below": "red", "above": "yellow", "": ""}


def submissions_table(title: str, entries: Sequence[Entry]) -> Table:
    """Return the submissions as a table, in the order given."""
    table = new_table(title, _COLUMNS)
    for entry in entries:
        valid, expected = entry.valid, entry.expected
        table.add_row(
            entry.submitted_at[:10],
            entry.run or one_line(entry.message or "(no message)"),
            f"{valid.value:.4f}" if valid else "",
            f"{valid.total:,}" if valid else "",
            f"{expected.low:.4f}-{expected.high:.4f}" if expected else "",
            entry.status if entry.score is None else f"{entry.score:.5f}",
            Text(entry.verdict, style=_STYLE[entry.verdict]),
        )
    return table


def submissions_csv(entries: Sequence[Entry]) -> str:
    """Return the submissions as CSV, in the order given."""
    return csv_text(_CSV_COLUMNS, [_csv_row(entry) for entry in entries])


def _csv_row(entry: Entry) -> dict[str, object]:
    valid, expected = entry.valid, entry.expected
    return {
        "submitted_at": entry.submitted_at,
        "reference": entry.reference,
        "run": entry.run,
        "valid_accuracy": valid and valid.value,
        "valid_correct": valid and valid.correct,
        "valid_total": valid and valid.total,
        "expected_low": expected and expected.low,
        "expected_high": expected and expected.high,
        "status": entry.status,
        "score": entry.score,
        "verdict": entry.verdict,
        "message": entry.message,
    }
