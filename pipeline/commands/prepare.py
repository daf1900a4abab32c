"""What comes before training: the data, the folds, a look at settings, recipes and networks."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.artifacts.paths import Workspace
from pipeline.competition import get_competition
from pipeline.knobs import Knobs, Text
from pipeline.runs import EnsembleSpec
from pipeline.settings import Settings


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
class ShowSettings(Knobs):
    """List every setting: its value under these knobs, and what it is."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
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
