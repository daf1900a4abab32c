"""Ensembles: the mean of finished runs, ready to be submitted like one run."""

from collections.abc import Sequence

from pipeline.artifacts.paths import Workspace
from pipeline.jobs.ensembles import combine_runs
from pipeline.jobs.prediction import write_predictions
from pipeline.reporting import Reporter
from pipeline.runs import EnsembleSpec, read_config, specify_again, specify_ensemble


def ensemble(
    runs: Sequence[str],
    workspace: Workspace,
    reporter: Reporter,
    *,
    name: str = "",
    device: str = "auto",
    force: bool = False,
) -> EnsembleSpec:
    """Average finished runs and write `submissions/<name>.csv`; see `combine_runs`.

    Args:
        runs: Names of the runs.
        workspace: Where everything lies.
        reporter: Told the accuracies and where the file is.
        name: The ensemble's name; empty: made from its members.
        device: Where to predict what is not predicted yet.
        force: Replace an ensemble of that name and other members.

    Raises:
        UserError: The runs cannot be averaged, or the name belongs to another run.
    """
    members = [specify_again(read_config(run, workspace), device=device) for run in runs]
    spec = specify_ensemble(name, "ensemble", members)
    combine_runs(spec, workspace, reporter, force=force)
    write_predictions(spec.name, f"{len(members)} runs", workspace, reporter)
    return spec
