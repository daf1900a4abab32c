"""`make predict`: predict the test images and write submissions/<run>.csv."""

from dataclasses import dataclass

from pipeline.commands.knobs import Knobs
from pipeline.console import Reporter
from pipeline.runs.results import is_current
from pipeline.runs.spec import EnsembleSpec
from pipeline.runs.workspace import Workspace
from pipeline.training.ensemble import combine_runs
from pipeline.training.inference import predict_run, write_predictions


@dataclass(frozen=True)
class Predict(Knobs):
    """Predict the test images and write the submission CSV."""

    def __call__(self, workspace: Workspace, reporter: Reporter) -> None:
        """Predict with a run as it was trained; an ensemble is averaged anew if a member changed.

        Of the settings, only device, precision and batch size are used.
        """
        spec = self.specify_any(workspace)
        if isinstance(spec, EnsembleSpec):
            if not is_current(spec, workspace):
                combine_runs(spec, workspace, reporter)
            on_all_data = [member for member in spec.members if member.settings.all_data]
            made_by = f"{len(on_all_data or spec.members)} runs"
        else:
            predict_run(spec.name, spec.settings, workspace, reporter)
            num_networks = len(workspace.run(spec.name).finished_folds())
            made_by = f"{num_networks} network{'s' if num_networks > 1 else ''}"
        write_predictions(spec.name, made_by, workspace, reporter)
