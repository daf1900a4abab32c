"""Prediction: the probabilities of the test images, and the CSV to submit."""

from pipeline.artifacts.paths import Workspace
from pipeline.artifacts.tables import write_submission
from pipeline.competition import get_competition
from pipeline.jobs.prediction import predict_run
from pipeline.reporting import Reporter
from pipeline.settings import Settings


def predict(run: str, settings: Settings, workspace: Workspace, reporter: Reporter) -> None:
    """Predict the test images with a run's networks and write `submissions/<run>.csv`.

    Args:
        run: The run's name.
        settings: Only the device, precision and batch size are used; all else is the run's own.
        workspace: Where everything lies.
        reporter: Shows the progress and says where the file is.

    Raises:
        UserError: See `predict_run`.
    """
    probs = predict_run(run, settings, workspace, reporter)
    path = workspace.submission(run)
    inputs = workspace.input(get_competition(settings.competition))
    write_submission(path, inputs, probs.ids, probs.probs.argmax(axis=1))
    num_networks = len(workspace.run(run).finished_folds())
    reporter.line(
        f"{run}: {len(probs.ids):,} test images predicted by {num_networks} "
        f"network{'s' if num_networks > 1 else ''} → {path.relative_to(workspace.root)}"
    )
