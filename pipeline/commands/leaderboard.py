"""`make leaderboard`: your submissions, what was expected of them, and what they scored."""

from dataclasses import dataclass

from rich.console import Console

from pipeline.commands.knobs import Text
from pipeline.console import Reporter, print_note
from pipeline.data.competition import get_competition
from pipeline.report.submissions_table import (
    list_entries,
    submissions_csv,
    submissions_table,
    summarise,
)
from pipeline.runs.workspace import Workspace


@dataclass(frozen=True)
class Leaderboard:
    """List your submissions: expected score, actual score, inside or outside."""

    competition: Text = "digit-recognizer"
    """Which competition: one of pipeline/competitions/."""
    csv: bool = False
    """Print CSV instead of a table."""

    def __call__(self, workspace: Workspace, reporter: Reporter) -> None:
        """Run the command; nothing is written."""
        entries, notes = list_entries(get_competition(self.competition), workspace)
        for note in notes:
            print_note(note)
        if self.csv:
            print(submissions_csv(entries), end="")
        elif entries:
            console = Console(highlight=False)
            console.print(submissions_table(f"Submissions to {self.competition}", entries))
            console.print(summarise(entries))
        else:
            reporter.line("no submission yet; `make submit` makes one.")
