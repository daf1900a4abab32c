"""Prediction: the probabilities of the test images, and the CSV to submit."""

from pipeline.artifacts.paths import Workspace
from pipeline.jobs.ensembles import combine_runs, is_current
from pipeline.jobs.prediction import predict_run, write_predictions
from pipeline.reporting import Reporter
from pipeline.runs import EnsembleSpec, RunSpec


def predict(spec: RunSpec | EnsembleSpec, workspace: Workspace, reporter: Reporter) -> None:
    """Predict the test images with a run's networks and write `submissions/<run>.csv`.

    Args:
        spec: The run. Only its name, device, precision and batch size are used; all else is as it
            was trained. An ensemble is averaged anew if a member has changed.
        workspace: Where everything lies.
        reporter: Shows the progress and says where the file is.

    Raises:
        UserError: See `predict_run` and `combine_runs`.
    """
    if isinstance(spec, EnsembleSpec):
        if not is_current(spec, workspace):
            combine_runs(spec, workspace, reporter)
        made_by = f"{len(spec.members)} runs"
    else:
        predict_run(spec.name, spec.settings, workspace, reporter)
        num_networks = len(workspace.run(spec.name).finished_folds())
        made_by = f"{num_networks} network{'s' if num_networks > 1 else ''}"
    write_predictions(spec.name, made_by, workspace, reporter)
