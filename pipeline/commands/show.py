"""What there is to see: runs, submissions, a run on one page, how fast the machine is."""

from dataclasses import dataclass

from pipeline.artifacts.paths import Workspace
from pipeline.competition import get_competition
from pipeline.errors import UserError
from pipeline.knobs import Knobs, Text


@dataclass(frozen=True)
class Runs:
    """List all runs, newest first."""

    sort: Text = "newest"
    """newest, name, preset, network, recipe, seed, folds, accuracy, time or score."""
    csv: bool = False
    """Print CSV instead of a table."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
        from rich.console import Console

        from pipeline.board.runs import sort_rows
        from pipeline.board.runs_table import runs_csv, runs_table
        from pipeline.console import print_note
        from pipeline.stages.runs import list_runs

        rows = sort_rows(list_runs(workspace), self.sort)
        if self.csv:
            print(runs_csv(rows), end="")
        elif rows:
            Console(highlight=False).print(runs_table(rows))
        else:
            print("no run yet; `make train` makes one.")
        for row in rows:
            if row.fault:
                print_note(f"{row.name}: {row.fault}")


@dataclass(frozen=True)
class Leaderboard:
    """List your submissions: expected score, actual score, inside or outside."""

    competition: Text = "digit-recognizer"
    """Which competition: digit-recognizer, or practice (no account needed)."""
    csv: bool = False
    """Print CSV instead of a table."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
        from rich.console import Console

        from pipeline.board.submissions import summarise
        from pipeline.board.submissions_table import submissions_csv, submissions_table
        from pipeline.console import print_note
        from pipeline.stages.leaderboard import leaderboard

        board = leaderboard(get_competition(self.competition), workspace)
        for note in board.notes:
            print_note(note)
        if self.csv:
            print(submissions_csv(board.entries), end="")
        elif board.entries:
            console = Console(highlight=False)
            console.print(submissions_table(f"Submissions to {self.competition}", board.entries))
            console.print(summarise(board.entries))
        else:
            print("no submission yet; `make submit` makes one.")


@dataclass(frozen=True)
class Report(Knobs):
    """Write a run on one page, for a browser: runs/<run>/report.html."""

    a: Text = ""
    """A baseline to compare with: a run, or several seeds of it. Give B too, and no RUN."""
    b: Text = ""
    """The run, or several seeds of it, beside that baseline."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
        from pipeline.console import ConsoleReporter
        from pipeline.stages.report import report, report_comparison

        reporter, device = ConsoleReporter(), self.device or "auto"
        if not (self.a or self.b):
            report(self.run or self.specify_any(workspace).name, workspace, reporter, device=device)
        elif self.run:
            raise UserError("RUN is one report, A and B together are another; give either.")
        else:
            report_comparison(self.a.split(), self.b.split(), workspace, reporter, device=device)


@dataclass(frozen=True)
class Bench:
    """Measure how fast this machine is: augmentation, training, prediction, time to a score."""

    bench: Text = ""
    """augment, throughput, prediction, scaling, time-to-score, or all; empty: all but the last."""
    competition: Text = "digit-recognizer"
    """Whose digits time-to-score trains on; the others work on noise."""
    device: Text = "auto"
    """auto, cuda, mps or cpu."""
    seed: Text = ""
    """The only seed of time-to-score; empty: 0, 1 and 2."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
        from rich.console import Console

        from pipeline.console import ConsoleReporter
        from pipeline.stages import bench

        seeds = (self.seed,) if self.seed else ("0", "1", "2")
        competition = get_competition(self.competition)
        context = bench.Bench(self.device, seeds, competition, workspace, ConsoleReporter())
        bench.run_benchmarks(self.bench, context, Console().print)
