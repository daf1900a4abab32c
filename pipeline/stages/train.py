"""Training: every run that is asked for, resumable after every epoch."""

import time

from pipeline.artifacts.paths import Workspace
from pipeline.jobs.ensembles import combine_runs
from pipeline.jobs.forecast import Forecast
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
    reporter.line(f"{spec.name}: the mean of {len(spec.members)} runs")
    forecast = Forecast(spec.members, workspace, from_scratch=force)
    networks_shown = set()
    for number, member in enumerate(spec.members, 1):
        if forecast.left_s:
            reporter.line(f"time to train: {forecast}")
        reporter.line(f"run {number} of {len(spec.members)}")
        start, network = time.perf_counter(), member.settings.model
        is_new = network not in networks_shown
        train_run(member, workspace, reporter, force=force, show_network=is_new)
        forecast.finish(member.name, time.perf_counter() - start)
        networks_shown.add(network)
    return combine_runs(spec, workspace, reporter, force=force)
