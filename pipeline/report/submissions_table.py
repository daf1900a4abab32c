"""The user's submissions beside what was expected of each, and their table."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from pipeline.data.competition import Competition
from pipeline.data.files import read_record
from pipeline.errors import UserError
from pipeline.kaggle.client import Submission, list_submissions
from pipeline.kaggle.message import parse_message
from pipeline.report.tables import csv_text, new_table
from pipeline.runs.records import Receipt
from pipeline.runs.scoring import Accuracy, ExpectedScore, expect_score
from pipeline.runs.workspace import Workspace


@dataclass(frozen=True)
class Entry:
    """One submission.

    Attributes:
        submitted_at: ISO 8601; UTC.
        run: The run's name; empty if this pipeline did not make the submission.
        message: The words it was sent with.
        valid: The run's validation accuracy, if there was one.
        expected: The score that this accuracy promised, if there was one.
        status: "pending", "complete" or "error".
        score: The public score, once there is one.
        reference: Kaggle's number for it; empty for the practice competition.
    """

    submitted_at: str
    run: str
    message: str
    valid: Accuracy | None
    expected: ExpectedScore | None
    status: str
    score: float | None
    reference: str

    @property
    def verdict(self) -> str:
        """Where the score lies: "inside", "below" or "above" the interval; empty if unknown."""
        if self.expected is None or self.score is None:
            return ""
        return self.expected.locate(self.score)


def list_entries(competition: Competition, workspace: Workspace) -> tuple[list[Entry], list[str]]:
    """Return the submissions that Kaggle lists, or for the practice competition the receipts.

    Returns:
        The submissions, newest first; and what could not be read or joined, a sentence each.

    Raises:
        UserError: Kaggle cannot be asked.
    """
    receipts, notes = _read_receipts(competition, workspace)
    num_scored = competition.count_scored(competition.num_test)
    if not competition.on_kaggle:
        receipts.sort(key=lambda receipt: receipt.submitted_at, reverse=True)
        return [_entry_of_receipt(each, num_scored) for each in receipts], notes
    listing = list_submissions(competition)
    if listing.missing:
        notes.append(f"older submissions may be missing here: {listing.missing}")
    by_mark = {receipt.mark: receipt for receipt in receipts if receipt.mark}
    entries = [_join(each, by_mark, num_scored) for each in listing.submissions]
    notes += [
        f"{workspace.receipt(receipt.run).relative_to(workspace.root)}: Kaggle's list of your "
        f"newest {len(entries)} submissions has none marked {mark}."
        for mark, receipt in by_mark.items()
    ]
    return entries, notes


def _read_receipts(
    competition: Competition, workspace: Workspace
) -> tuple[list[Receipt], list[str]]:
    """The competition's receipts, and a sentence for each file that is none."""
    receipts, notes = [], []
    for path in workspace.receipts():
        try:
            receipts.append(read_record(path, Receipt))
        except UserError as error:
            notes.append(str(error))
    return [each for each in receipts if each.competition == competition.slug], notes


def _entry_of_receipt(receipt: Receipt, num_scored: int) -> Entry:
    valid = _valid(receipt)
    return Entry(
        submitted_at=receipt.submitted_at,
        run=receipt.run,
        message=receipt.message,
        valid=valid,
        expected=_expect(valid, receipt, num_scored),
        status=receipt.status,
        score=receipt.score,
        reference=receipt.reference or "",
    )


def _join(submission: Submission, by_mark: dict[str, Receipt], num_scored: int) -> Entry:
    """Join a submission with its receipt, which it takes out of `by_mark`.

    One whose receipt is gone (another computer, a second upload of the run) still tells its run
    and accuracy in its message. One that this pipeline did not make is kept as it is.
    """
    said = parse_message(submission.description)
    receipt = by_mark.pop(said.mark, None) if said else None
    valid = _valid(receipt) if receipt else said.accuracy if said else None
    return Entry(
        submitted_at=submission.date,
        run=said.run if said else "",
        message=submission.description,
        valid=valid,
        expected=_expect(valid, receipt, num_scored),
        status=submission.status,
        score=submission.score,
        reference=submission.reference,
    )


def _valid(receipt: Receipt) -> Accuracy | None:
    return Accuracy(receipt.valid_correct, receipt.valid_total) if receipt.valid_total else None


def _expect(
    valid: Accuracy | None, receipt: Receipt | None, num_scored: int
) -> ExpectedScore | None:
    """What was promised at the time, or follows from the accuracy now."""
    if receipt and receipt.expected:
        return receipt.expected
    return expect_score(valid, num_scored) if valid else None


def summarise(entries: Iterable[Entry]) -> str:
    """Say in one line how many scores came as expected."""
    verdicts = [entry.verdict for entry in entries if entry.verdict]
    if not verdicts:
        return "no score yet that a run's validation had promised anything about"
    several = len(verdicts) > 1
    scores = "scores inside their 95 % intervals" if several else "score inside its 95 % interval"
    line = f"{verdicts.count('inside')} of {len(verdicts)} {scores}"
    apart = [f"{verdicts.count(side)} {side}" for side in ("below", "above") if side in verdicts]
    return f"{line} ({', '.join(apart)})" if apart else line


_STYLE = {"inside": "green", "below": "red", "above": "yellow", "": ""}


def submissions_table(title: str, entries: Sequence[Entry]) -> Table:
    """Return the submissions as a table, in the order given."""
    numbers = dict.fromkeys(("out of\nfold", "images", "expected 95 %", "score"), "right")
    table = new_table(title, {"submitted": "left", "run": "name"} | numbers | {"": "left"})
    for entry in entries:
        valid, expected = entry.valid, entry.expected
        words = " ".join((entry.message or "(no message)").split())
        table.add_row(
            entry.submitted_at[:10],
            entry.run or Text(words, style="dim", overflow="ellipsis", no_wrap=True),
            f"{valid.value:.4f}" if valid else "",
            f"{valid.total:,}" if valid else "",
            f"{expected.low:.4f}-{expected.high:.4f}" if expected else "",
            entry.status if entry.score is None else f"{entry.score:.5f}",
            Text(entry.verdict, style=_STYLE[entry.verdict]),
        )
    return table


_CSV_COLUMNS: dict[str, Callable[[Entry], object]] = {
    "submitted_at": lambda entry: entry.submitted_at,
    "reference": lambda entry: entry.reference,
    "run": lambda entry: entry.run,
    "valid_accuracy": lambda entry: entry.valid and entry.valid.value,
    "valid_correct": lambda entry: entry.valid and entry.valid.correct,
    "valid_total": lambda entry: entry.valid and entry.valid.total,
    "expected_low": lambda entry: entry.expected and entry.expected.low,
    "expected_high": lambda entry: entry.expected and entry.expected.high,
    "status": lambda entry: entry.status,
    "score": lambda entry: entry.score,
    "verdict": lambda entry: entry.verdict,
    "message": lambda entry: entry.message,
}


def submissions_csv(entries: Sequence[Entry]) -> str:
    """Return the submissions as CSV, in the order given."""
    return csv_text(_CSV_COLUMNS, entries)
