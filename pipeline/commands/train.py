"""`make train`: train the folds asked for; goes on where an interrupted training stopped."""

from dataclasses import dataclass

from pipeline.commands.knobs import Knobs
from pipeline.console import Reporter
from pipeline.runs.scoring import Accuracy
from pipeline.runs.spec import RunSpec
from pipeline.runs.workspace import Workspace
from pipeline.training.ensemble import train_ensemble
from pipeline.training.run import train_run


@dataclass(frozen=True)
class Train(Knobs):
    """Train the network; goes on where an interrupted training stopped."""

    force: bool = False
    """Throw away what the run has and start again."""

    def __call__(self, workspace: Workspace, reporter: Reporter) -> Accuracy | None:
        """Train what is not finished yet, of a run or of an ensemble's members.

        Return the accuracy on the validation images of all finished folds, if there are any.
        """
        spec = self.specify_any(workspace)
        if isinstance(spec, RunSpec):
            return train_run(spec, workspace, reporter, force=self.force)
        return train_ensemble(spec, workspace, reporter, force=self.force)
