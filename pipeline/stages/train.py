"""Training: every run that is asked for, resumable after every epoch."""

from pipeline.artifacts.paths import Workspace
from pipeline.jobs.ensembles import combine_runs
from pipeline.jobs.training import train_run
from pipeline.reporting import Reporter
from pipeline.runs import EnsembleSpec, RunSpec
from pipeline.scoring import Accuracy


def train(
    spec: RunSpec | EnsembleSpec, workspace: Workspace, reporter: Reporter, *, force: bool = False
) -> Accuracy | None:
    """Train the folds asked for that are not finished yet, of a run or of an ensemble's members.

    Args:
        spec: What to train.
        workspace: Where everything lies.
        reporter: Hears of every epoch.
        force: Throw away what there is so far and start again.

    Returns:
        The accuracy on the validation images of all finished folds; None if all data are
        trained on.

    Raises:
        UserError: See `train_run` and `combine_runs`.
    """
    if isinstance(spec, RunSpec):
        return train_run(spec, workspace, reporter, force=force)
    for member in spec.members:
        train_run(member, workspace, reporter, force=force)
    return combine_runs(spec, workspace, reporter, force=force)
