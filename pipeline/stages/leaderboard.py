"""What the user's submissions scored, beside what was expected of them."""

from dataclasses import dataclass

from pipeline.artifacts.paths import Workspace
from pipeline.artifacts.records import Receipt, read_record
from pipeline.board.submissions import Entry, entry_of_receipt, join_submissions
from pipeline.competition import Competition
from pipeline.errors import UserError
from pipeline.kaggle.client import list_submissions


@dataclass(frozen=True)
class Leaderboard:
    """The user's submissions to one competition.

    Attributes:
        entries: Newest first.
        notes: What could not be read or joined, a sentence each.
    """

    entries: list[Entry]
    notes: list[str]


def leaderboard(competition: Competition, workspace: Workspace) -> Leaderboard:
    """Return the submissions that Kaggle lists, or for the practice competition the receipts.

    Nothing is written.

    Raises:
        UserError: Kaggle cannot be asked.
    """
    receipts, notes = _read_receipts(competition, workspace)
    if not competition.on_kaggle:
        receipts.sort(key=lambda receipt: receipt.submitted_at, reverse=True)
        entries = [entry_of_receipt(receipt, competition.num_test) for receipt in receipts]
        return Leaderboard(entries, notes)
    listed = list_submissions(competition)
    entries, unlisted = join_submissions(listed, receipts, competition.num_test)
    notes += [
        f"{workspace.receipt(receipt.run).relative_to(workspace.root)}: Kaggle's list of your "
        f"newest {len(listed)} submissions has none marked {receipt.mark}."
        for receipt in unlisted
    ]
    return Leaderboard(entries, notes)


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
