"""`plan`: print the run's name, and "open" or "done"; make asks before it looks at any file."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.commands.knobs import Knobs
from pipeline.console import Reporter
from pipeline.data.files import read_record
from pipeline.runs.records import RunConfig
from pipeline.runs.spec import EnsembleSpec, RunSpec, spec_differences
from pipeline.runs.workspace import RunPaths, Workspace


@dataclass(frozen=True)
class Plan(Knobs):
    """Print the run's name, and "open" or "done"; `make` asks for it."""

    def __call__(self, workspace: Workspace, reporter: Reporter) -> None:
        """Run the command; nothing is written.

        Raises:
            UserError: The run's configuration is damaged.
        """
        spec = self.specify_any(workspace)
        reporter.line(f"{spec.name} {'open' if is_open(spec, workspace) else 'done'}")


def is_open(spec: RunSpec | EnsembleSpec, workspace: Workspace) -> bool:
    """Say whether something of it is to be trained or averaged, or its name is another run's.

    Raises:
        UserError: The run's configuration is damaged.
    """
    if isinstance(spec, RunSpec):
        return _is_run_open(spec, workspace)
    if any(_is_run_open(member, workspace) for member in spec.members):
        return True
    parts = [workspace.run(member.name).oof for member in spec.members]
    return _is_older(workspace.run(spec.name), parts)


def _is_run_open(spec: RunSpec, workspace: Workspace) -> bool:
    paths = workspace.run(spec.name)
    finished = paths.finished_folds()
    if not set(spec.settings.fold_numbers) <= set(finished):
        return True
    if _is_older(paths, [paths.fold(fold).oof for fold in finished]):
        return True
    try:
        return bool(spec_differences(read_record(paths.config, RunConfig), spec))
    except FileNotFoundError:
        return True


def _is_older(paths: RunPaths, parts: list[Path]) -> bool:
    """Whether a run's probabilities were joined before one of their parts was written."""
    if not paths.oof.exists():
        return True
    joined_at = paths.oof.stat().st_mtime_ns
    return any(part.stat().st_mtime_ns > joined_at for part in parts)
