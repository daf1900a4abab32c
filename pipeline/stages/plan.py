"""What `make` asks before it looks at any file: the run's name, and whether it is finished."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.artifacts.paths import RunPaths, Workspace
from pipeline.artifacts.records import RunConfig, read_record
from pipeline.runs import EnsembleSpec, RunSpec, spec_differences


@dataclass(frozen=True)
class Plan:
    """Answer to `make`: two words.

    Attributes:
        run: The run's name.
        is_open: Whether something of it is to be trained or averaged, or the name is taken by
            another run.
    """

    run: str
    is_open: bool

    def __str__(self) -> str:
        return f"{self.run} {'open' if self.is_open else 'done'}"


def plan(spec: RunSpec | EnsembleSpec, workspace: Workspace) -> Plan:
    """Say which run is meant and whether there is something to train; nothing is written.

    Raises:
        UserError: The run's configuration is damaged.
    """
    if isinstance(spec, RunSpec):
        return Plan(spec.name, _is_open(spec, workspace))
    parts = [workspace.run(member.name).oof for member in spec.members]
    is_open = any(_is_open(member, workspace) for member in spec.members)
    return Plan(spec.name, is_open or _is_older(workspace.run(spec.name), parts))


def _is_open(spec: RunSpec, workspace: Workspace) -> bool:
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
