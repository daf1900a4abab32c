"""From a network in training to a score: train, predict, average, submit."""

from dataclasses import dataclass

from pipeline.artifacts.paths import Workspace
from pipeline.competition import get_competition
from pipeline.knobs import Knobs, Text


@dataclass(frozen=True)
class Plan(Knobs):
    """Print the run's name, "open" or "done", and its folds; `make` asks for it."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
        from pipeline.stages.plan import plan

        print(plan(self.specify_any(workspace), workspace))


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
