"""The command line: `python -m pipeline <stage>`. The Makefile calls it with the same knobs.

The only place with argument parsing and messages to the terminal. Stages are imported when they
run: `make` asks for a run's name at every call, and torch alone takes seconds to import.
"""

import errno
import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from pipeline.artifacts.paths import Workspace
from pipeline.competition import get_competition
from pipeline.errors import UserError
from pipeline.knobs import Knobs, Text
from pipeline.runs import EnsembleSpec, read_config, respecify, specify_again
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.jobs.turn import Pair


@dataclass(frozen=True)
class Data:
    """Get the competition's CSV files: from Kaggle, from a zip or folder, or the practice set."""

    competition: Text = "digit-recognizer"
    """Which competition: digit-recognizer, or practice (no account needed)."""
    zip: Text = ""
    """The zip downloaded in the browser, or a folder with the CSV files."""
    any_size: bool = False
    """Accept other numbers of rows than the competition's."""
    force: bool = False
    """Replace files that are there already."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
        from pipeline.console import ConsoleReporter
        from pipeline.stages.data import data

        data(
            get_competition(self.competition),
            workspace,
            ConsoleReporter(),
            source=Path(self.zip).expanduser() if self.zip else None,
            force=self.force,
            any_size=self.any_size,
        )


@dataclass(frozen=True)
class Split:
    """Assign every training image to one of ten stratified folds."""

    competition: Text = "digit-recognizer"
    """Which competition: digit-recognizer, or practice (no account needed)."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
        from pipeline.console import ConsoleReporter
        from pipeline.stages.split import split

        split(get_competition(self.competition), workspace, ConsoleReporter())


@dataclass(frozen=True)
class Plan(Knobs):
    """Print the run's name, "open" or "done", and its folds; `make` asks for it."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
        from pipeline.stages.plan import plan

        print(plan(self.specify_any(workspace), workspace))


@dataclass(frozen=True)
class ShowSettings(Knobs):
    """List every setting: its value under these knobs, and what it is."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
        from pipeline.settings import Settings

        spec = self.specify_any(workspace)
        runs = spec.members if isinstance(spec, EnsembleSpec) else (spec,)
        own = []
        for name, field in Settings.model_fields.items():
            values = {str(getattr(run.settings, name)) for run in runs}
            value = values.pop() if len(values) == 1 else "(each its own)"
            own += [name] if values else []
            print(f"{name:20}{value:18}{field.description}")
        if isinstance(spec, EnsembleSpec):
            print(f"\n{spec.name}: the mean of {len(runs)} runs")
            for run in runs:
                differs = [f"{name}={getattr(run.settings, name)}" for name in own]
                print(f"  {run.name}  {' '.join(differs)}")


@dataclass(frozen=True)
class Preview(Knobs):
    """Draw what the recipe does to ten digits, and each of its transforms at its extremes."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
        from pipeline.console import ConsoleReporter
        from pipeline.stages.preview import preview

        spec = self.specify_any(workspace)
        runs = spec.members if isinstance(spec, EnsembleSpec) else (spec,)
        for run in {run.settings.augment: run for run in runs}.values():
            preview(run, workspace, ConsoleReporter())


@dataclass(frozen=True)
class Models(Knobs):
    """List the networks: parameters, multiply-adds, and images/s measured on this machine."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
        from rich.console import Console

        from pipeline.bench.networks import networks_table
        from pipeline.console import ConsoleReporter
        from pipeline.stages.models import models

        figures = models(self.specify(workspace).settings, ConsoleReporter())
        Console().print(networks_table(figures))


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


@dataclass(frozen=True)
class Train(Knobs):
    """Train the network; goes on where an interrupted training stopped."""

    force: bool = False
    """Throw away what the run has and start again."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
        from pipeline.console import ConsoleReporter
        from pipeline.stages.train import train

        train(self.specify_any(workspace), workspace, ConsoleReporter(), force=self.force)


@dataclass(frozen=True)
class Predict(Knobs):
    """Predict the test images and write the submission CSV."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
        from pipeline.console import ConsoleReporter
        from pipeline.stages.predict import predict

        predict(self.specify_any(workspace), workspace, ConsoleReporter())


@dataclass(frozen=True)
class Ensemble:
    """Average finished runs and write the submission CSV."""

    runs: Text = ""
    """Names of the runs, separated by spaces."""
    run: Text = ""
    """Name of the ensemble; empty: made from its members."""
    device: Text = "auto"
    """Where to predict what is not predicted yet: auto, cuda, mps or cpu."""
    force: bool = False
    """Replace an ensemble of that name and other members."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
        from pipeline.console import ConsoleReporter
        from pipeline.stages.ensemble import ensemble

        ensemble(
            self.runs.split(),
            workspace,
            ConsoleReporter(),
            name=self.run,
            device=self.device,
            force=self.force,
        )


@dataclass(frozen=True)
class Submit(Knobs):
    """Upload the submission CSV, wait for its score and write the receipt."""

    message: Text = ""
    """Words sent along with the submission."""
    force: bool = False
    """Upload a file that was uploaded before."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
        from pipeline.console import ConsoleReporter
        from pipeline.stages.submit import submit

        submit(
            self.specify_any(workspace).name,
            get_competition(self.competition),
            workspace,
            ConsoleReporter(),
            message=self.message,
            force=self.force,
        )


@dataclass(frozen=True)
class Compare:
    """Say whether run B is better than run A, how sure that is, and what would settle it."""

    a: Text = ""
    """The baseline: a run, or several, separated by spaces, that differ in the seed alone."""
    b: Text = ""
    """The change, likewise."""
    images: bool = False
    """Also draw the digits that changed sides."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
        from pipeline.console import ConsoleReporter
        from pipeline.stages.compare import compare

        reporter = ConsoleReporter()
        compare(self.a.split(), self.b.split(), workspace, reporter, images=self.images)


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
class Audit:
    """Look for what makes a score false: copies across the sets, and runs that saw their images."""

    competition: Text = "digit-recognizer"
    """Which competition: digit-recognizer, or practice (no account needed)."""
    run: Text = ""
    """Only this run; empty: all of the competition's."""
    device: Text = "auto"
    """auto, cuda, mps or cpu."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
        from pipeline.console import ConsoleReporter
        from pipeline.stages.audit import audit

        competition = get_competition(self.competition)
        audit(competition, workspace, ConsoleReporter(), run=self.run, device=self.device)


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
class Try(Knobs):
    """Train a change as its baseline is trained, cheapest first, and say whether it helps."""

    seeds: Text = ""
    """Seeds of each side, at most, separated by spaces; empty: the preset's."""
    base: Text = ""
    """A run to be the baseline, with its settings and recipe; empty: the preset as it is."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
        from pipeline.console import ConsoleReporter
        from pipeline.stages.try_ import DEFAULT_NUM_FOLDS, try_change

        pairs = self._pair_up(workspace)
        folds = _first_folds(pairs[0][0].settings, DEFAULT_NUM_FOLDS, self.given())
        try_change(pairs, folds, workspace, ConsoleReporter(), knobs=self.typed())

    def _pair_up(self, workspace: Workspace) -> list["Pair"]:
        """Baseline and change, for each seed."""
        from pipeline.augment.registry import recipe_text
        from pipeline.jobs.turn import OF_BOTH_SIDES, pair_up

        if self.run or self.seed:
            raise UserError("try names its runs itself and takes SEEDS; leave RUN and SEED out.")
        if self.base and self.preset:
            raise UserError("the baseline is either PRESET or BASE; leave one of them out.")
        given = self.given()
        both = {name: value for name, value in given.items() if name in OF_BOTH_SIDES}
        if self.base:
            config = read_config(self.base, workspace)
            if config.competition != self.competition:
                raise UserError(f"run {self.base} belongs to COMPETITION={config.competition}.")
            base = respecify(specify_again(config), both, config.recipe)
        else:
            base = self.specify_with(both, workspace)
        augment = given.get("augment")
        recipe = recipe_text(augment, workspace) if augment else base.recipe
        return pair_up(base, given, recipe, self.seeds.split())


@dataclass(frozen=True)
class Sweep(Knobs):
    """Search better values for a recipe and a few settings, and check the best on fresh ground."""

    trials: Text = "20"
    """How many trials, the baseline among them."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
        from pipeline.augment.registry import recipe_ranges
        from pipeline.console import ConsoleReporter
        from pipeline.jobs.sweep import Sweep as Searched
        from pipeline.stages.sweep import DEFAULT_NUM_FOLDS, sweep
        from pipeline.sweeping.space import build_space

        if not (self.trials.isdecimal() and int(self.trials) >= 2):
            raise UserError(f"TRIALS={self.trials} must be a whole number from 2 on.")
        given = self.given()
        base = replace(self, run="").specify_with(given, workspace)
        folds = _first_folds(base.settings, DEFAULT_NUM_FOLDS, given)
        declared = recipe_ranges(base.settings.augment)
        space = build_space(base.settings, declared, given.keys())
        searched = Searched(self.run, base, space, folds)
        reporter = ConsoleReporter()
        sweep(searched, int(self.trials), workspace, reporter, knobs=self.typed())


def _first_folds(settings: Settings, num_folds: int, given: Collection[str]) -> list[int]:
    """The folds asked for; if none are, so many as there may be."""
    if settings.all_data:
        raise UserError("nothing can be compared without images held out; leave all-data out.")
    if "folds" in given:
        return settings.fold_numbers
    return settings.model_copy(update={"folds": "all"}).fold_numbers[:num_folds]


def main() -> int:
    """Run the stage named on the command line, in the current folder; return the exit code."""
    from pipeline.console import print_error

    stage = tyro.cli(
        Data
        | Split
        | Annotated[ShowSettings, tyro.conf.subcommand("settings")]
        | Preview
        | Models
        | Train
        | Predict
        | Ensemble
        | Submit
        | Compare
        | Try
        | Sweep
        | Report
        | Leaderboard
        | Audit
        | Runs
        | Bench
        | Plan,
        prog="python -m pipeline",
        description=__doc__.splitlines()[0],
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    try:
        stage(Workspace(Path()))
    except UserError as error:
        print_error(str(error))
        return 1
    except OSError as error:
        print_error(_describe_os_error(error))
        return 1
    return 0


def _describe_os_error(error: OSError) -> str:
    """A full disk, a read-only folder and their like, in one sentence."""
    if error.errno is None:
        raise error
    place = f" ({error.filename})" if error.filename else ""
    advice = {
        errno.ENOSPC: "free some space and run the same command again",
        errno.EDQUOT: "free some space and run the same command again",
        errno.EACCES: "check the permissions of the folder",
        errno.EROFS: "the folder is read-only; work in one that can be written",
    }.get(error.errno, "mend it and run the same command again")
    return f"{os.strerror(error.errno)}{place}: {advice}. What was finished before is kept."
