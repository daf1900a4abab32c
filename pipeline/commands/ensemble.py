"""`make ensemble`: average finished runs; the mean is submitted like one run."""

from dataclasses import dataclass

from pipeline.commands.knobs import Text
from pipeline.console import Reporter
from pipeline.runs.results import read_config
from pipeline.runs.spec import EnsembleSpec, specify_again, specify_ensemble
from pipeline.runs.workspace import Workspace
from pipeline.training.ensemble import combine_runs
from pipeline.training.inference import write_predictions


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

    def __call__(self, workspace: Workspace, reporter: Reporter) -> EnsembleSpec:
        """Average the runs, write `submissions/<name>.csv`, and return what was made."""
        members = [
            specify_again(read_config(run, workspace), device=self.device)
            for run in self.runs.split()
        ]
        spec = specify_ensemble(self.run, "ensemble", members)
        combine_runs(spec, workspace, reporter, force=self.force)
        write_predictions(spec.name, f"{len(members)} runs", workspace, reporter)
        return spec
