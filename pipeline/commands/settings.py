"""`make settings`: list every setting, its value under the knobs typed, and what it is."""

from dataclasses import dataclass

from pipeline.commands.knobs import Knobs
from pipeline.console import Reporter
from pipeline.runs.spec import EnsembleSpec
from pipeline.runs.workspace import Workspace
from pipeline.settings import fields


@dataclass(frozen=True)
class Settings(Knobs):
    """List every setting: its value under these knobs, and what it is."""

    def __call__(self, workspace: Workspace, reporter: Reporter) -> None:
        """Run the command."""
        spec = self.specify_any(workspace)
        runs = spec.members if isinstance(spec, EnsembleSpec) else (spec,)
        own = []
        for name, field in fields.Settings.model_fields.items():
            values = {str(getattr(run.settings, name)) for run in runs}
            value = values.pop() if len(values) == 1 else "(each its own)"
            own += [name] if values else []
            reporter.line(f"{name:20}{value:18}{field.description}")
        if isinstance(spec, EnsembleSpec):
            reporter.line(f"\n{spec.name}: the mean of {len(runs)} runs")
            for run in runs:
                differs = [f"{name}={getattr(run.settings, name)}" for name in own]
                reporter.line(f"  {run.name}  {' '.join(differs)}")
        else:
            reporter.line(f"\nthe run of these: {spec.name}")
