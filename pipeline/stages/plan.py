"""What `make` asks before it looks at any file: the run's name, and what it is made of."""

from dataclasses import dataclass

from pipeline.artifacts.paths import Workspace
from pipeline.artifacts.records import RunConfig, read_record
from pipeline.runs import RunSpec, spec_differences


@dataclass(frozen=True)
class Plan:
    """Answer to `make`, one word each, separated by spaces.

    Attributes:
        run: The run's name.
        is_open: Whether a fold asked for is not finished, or the name is taken by another run.
        folds: The folds asked for.
    """

    run: str
    is_open: bool
    folds: list[int]

    def __str__(self) -> str:
        return " ".join([self.run, "open" if self.is_open else "done", *map(str, self.folds)])


def plan(spec: RunSpec, workspace: Workspace) -> Plan:
    """Say which run is meant and whether there is something to train; nothing is written.

    Raises:
        UserError: The run's configuration is damaged.
    """
    folds = spec.settings.fold_numbers
    paths = workspace.run(spec.name)
    is_open = not set(folds) <= set(paths.finished_folds())
    if not is_open:
        try:
            is_open = bool(spec_differences(read_record(paths.config, RunConfig), spec))
        except FileNotFoundError:
            is_open = True
    return Plan(spec.name, is_open, folds)
