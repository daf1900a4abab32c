"""Training: every run that is asked for, resumable after every epoch."""

from pipeline.artifacts.paths import Workspace
from pipeline.jobs.training import train_run
from pipeline.reporting import Reporter
from pipeline.runs import RunSpec
from pipeline.scoring import Accuracy


def train(
    spec: RunSpec, workspace: Workspace, reporter: Reporter, *, force: bool = False
) -> Accuracy:
    """Train the folds asked for that are not finished yet; see `train_run`.

    Raises:
        UserError: See `train_run`.
    """
    return train_run(spec, workspace, reporter, force=force)
