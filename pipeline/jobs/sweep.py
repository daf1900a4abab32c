"""Train the trials of a sweep: many variants of one baseline, on the same folds and seed."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.artifacts.files import locked
from pipeline.artifacts.paths import Workspace
from pipeline.augment.registry import build_recipe, serialise
from pipeline.errors import UserError
from pipeline.jobs.comparison import compare_runs
from pipeline.jobs.training import train_run
from pipeline.reporting import OnlyBars, Reporter
from pipeline.runs import RunSpec, find_run, respecify
from pipeline.sweeping.space import Parameter, Value
from pipeline.sweeping.study import OpenTrial, Study, Trial


@dataclass(frozen=True)
class Sweep:
    """What is searched.

    Attributes:
        name: Its folder in `runs/`; empty: made from what it searches.
        base: The baseline, and what every trial shares with it.
        space: What varies.
        folds: The trainings of each trial.
    """

    name: str
    base: RunSpec
    space: list[Parameter]
    folds: Sequence[int]

    @property
    def identity(self) -> str:
        """A hash of everything that decides which trials there are and how they score."""
        parts = [
            self.base.settings.identity(),
            self.base.recipe,
            [[each.key, each.default, each.allowed, each.log] for each in self.space],
            list(self.folds),
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def folder_name(self) -> str:
        """The name, or the one that follows from what is searched."""
        return (
            self.name
            or f"sweep-{self.base.preset}-{self.base.settings.augment}-{self.identity[:6]}"
        )

    def specify(self, values: Sequence[Value]) -> RunSpec:
        """Return the run that some values mean; those of the baseline are the baseline itself.

        Raises:
            UserError: The recipe cannot be made with such values.
        """
        chosen = list(zip(self.space, values, strict=True))
        recipe = self.base.recipe
        arguments = {each.name: value for each, value in chosen if each.kind == "recipe"}
        if any(value != each.default for each, value in chosen if each.kind == "recipe"):
            name = self.base.settings.augment
            recipe = serialise(build_recipe(name, arguments), name)
        settings = {each.name: value for each, value in chosen if each.kind == "setting"}
        return respecify(self.base, settings, recipe)

    def describe(self, values: Sequence[Value]) -> str:
        """Return the values as a user would type them."""
        chosen = zip(self.space, values, strict=True)
        return " ".join(f"{each.name}={value}" for each, value in chosen)


def run_sweep(
    sweep: Sweep, num_trials: int, workspace: Workspace, reporter: Reporter
) -> list[Trial]:
    """Train trials until there are `num_trials`, those of earlier calls included.

    Each trial is trained on the first fold and, unless it is given up there, on all others. Its
    score is its gain: its accuracy minus the baseline's, on the same images.

    Args:
        sweep: What is searched.
        num_trials: How many trials there shall be, the baseline among them.
        workspace: Where everything lies.
        reporter: Told each trial, and the best so far.

    Returns:
        All finished trials, in their order; the first is the baseline.

    Raises:
        UserError: Optuna is missing, the name belongs to a run, another process writes the sweep,
            the recipe fails within its own ranges, or see `train_run`.
    """
    if find_run(sweep.folder_name, workspace):
        raise UserError(f"{sweep.folder_name} is a run; give the sweep another name with RUN=.")
    paths = workspace.run(sweep.folder_name)
    with locked(paths.lock, f"sweep {sweep.folder_name}"):
        seed = sweep.base.settings.seed
        study = Study(paths.sweep, sweep.space, seed, identity=sweep.identity)
        finished = study.finished()
        if finished:
            reporter.line(f"{len(finished)} trials were finished before")
        while len(finished) < num_trials:
            label = f"trial {len(finished) + 1:>{len(str(num_trials))}}/{num_trials}"
            trial = _train_trial(sweep, study.propose(), workspace, OnlyBars(reporter, label))
            finished.append(trial)
            reporter.line(_describe_trial(label, sweep, trial, best_of(finished)))
    return finished


def best_of(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the greatest gain among those not given up; the earliest of equals."""
    return max((trial for trial in trials if not trial.pruned), key=lambda trial: trial.gain)


def _train_trial(sweep: Sweep, trial: OpenTrial, workspace: Workspace, reporter: Reporter) -> Trial:
    """Train one trial on the first fold and, if it has a chance, on all."""
    spec = sweep.specify(trial.values)
    gain = _gain(sweep, spec, sweep.folds[:1], workspace, reporter)
    if trial.is_hopeless(gain):
        return trial.finish(spec.name, gain, pruned=True)
    if len(sweep.folds) > 1:
        gain = _gain(sweep, spec, sweep.folds, workspace, reporter)
    return trial.finish(spec.name, gain, pruned=False)


def _gain(
    sweep: Sweep, spec: RunSpec, folds: Sequence[int], workspace: Workspace, reporter: Reporter
) -> float:
    """Train the folds that are not finished; return the accuracy beyond the baseline's."""
    settings = spec.settings.model_copy(update={"folds": ",".join(map(str, folds))})
    train_run(replace(spec, settings=settings), workspace, reporter)
    if spec.name == sweep.base.name:
        return 0.0
    compared = compare_runs([sweep.base.name], [spec.name], workspace, folds=folds)
    return compared.difference.value


def _describe_trial(label: str, sweep: Sweep, trial: Trial, best: Trial) -> str:
    what = "the baseline" if trial.run == sweep.base.name else sweep.describe(trial.values)
    if trial.pruned:
        return f"{label}  {trial.gain:+.4f}  given up after one fold  ({what})"
    mark = "best so far" if trial == best else f"best {best.gain:+.4f}"
    return f"{label}  {trial.gain:+.4f}  {mark}  ({what})"
