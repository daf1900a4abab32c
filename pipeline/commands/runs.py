"""`make runs`: list all runs, newest first or as SORT= says."""

from dataclasses import dataclass

from rich.console import Console

from pipeline.commands.knobs import Text
from pipeline.console import Reporter, print_note
from pipeline.report.runs_table import list_runs, runs_csv, runs_table, sort_rows
from pipeline.runs.workspace import Workspace


@dataclass(frozen=True)
class Runs:
    """List all runs, newest first."""

    sort: Text = "newest"
    """newest, name, preset, network, recipe, seed, folds, accuracy, time or score."""
    csv: bool = False
    """Print CSV instead of a table."""

    def __call__(self, workspace: Workspace, reporter: Reporter) -> None:
        """Run the command; nothing is written."""
        rows = sort_rows(list_runs(workspace), self.sort)
        if self.csv:
            print(runs_csv(rows), end="")
        elif rows:
            Console(highlight=False).print(runs_table(rows))
        else:
            reporter.line("no run yet; `make train` makes one.")
        for row in rows:
            if row.fault:
                print_note(f"{row.name}: {row.fault}")
