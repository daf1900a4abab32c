"""`make sweep`: search better values for a recipe, then look how much of the gain was luck."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.augment.registry import recipe_ranges
from pipeline.commands.knobs import Knobs, Text
from pipeline.commands.try_ import Turn, take_turn
from pipeline.console import OnlyBars, Reporter, make_command, name_folds
from pipeline.data.files import locked
from pipeline.errors import UserError
from pipeline.judging.difference import Difference
from pipeline.judging.pairing import compare_runs
from pipeline.judging.search import Search, build_space
from pipeline.judging.study import OpenTrial, Study, Trial
from pipeline.judging.words import describe
from pipeline.runs.results import find_run
from pipeline.runs.spec import RunSpec, respecify
from pipeline.runs.workspace import Workspace
from pipeline.training.run import train_run

DEFAULT_NUM_FOLDS = 3
"""Folds of each trial, if none are asked for; a trial that looks bad on the first gets no more."""

_NUM_CHECK_FOLDS = 4
"""Folds, at most, on which the winner is looked at again."""


@dataclass(frozen=True)
class Sweep(Knobs):
    """Search better values for a recipe and a few settings, and check the best on fresh ground."""

    trials: Text = "20"
    """How many trials, the baseline among them."""

    def __call__(self, workspace: Workspace, reporter: Reporter) -> None:
        """Run the command.

        Raises:
            UserError: The knobs make no sense, or see `search_and_check`.
        """
        if not (self.trials.isdecimal() and int(self.trials) >= 2):
            raise UserError(f"TRIALS={self.trials} must be a whole number from 2 on.")
        given = self.given()
        base = replace(self, run="").specify_with(given, workspace)
        folds = self.first_folds(base.settings, DEFAULT_NUM_FOLDS)
        declared = recipe_ranges(base.settings.augment)
        space = build_space(base.settings, declared, given.keys())
        search = Search(self.run, base, space, folds)
        search_and_check(search, int(self.trials), workspace, reporter, knobs=self.typed())


def search_and_check(
    searched: Search,
    num_trials: int,
    workspace: Workspace,
    reporter: Reporter,
    *,
    knobs: Mapping[str, str],
) -> Turn | None:
    """Train trials, choose the best, and compare it with the baseline where nothing was chosen.

    The best of many trials looks better than it is: it was chosen for its luck too. So it is
    trained again under another seed, on folds that no trial was scored on, and so is the baseline.

    Args:
        searched: What is searched.
        num_trials: How many trials there shall be, the baseline among them.
        workspace: Where everything lies.
        reporter: Told the trials, the check and what to type next.
        knobs: What the user typed, by knob, for the command to type next.

    Returns:
        The check; None if no trial was better than the baseline.

    Raises:
        UserError: See `run_sweep` and `take_turn`.
    """
    reporter.line(
        f"{searched.folder_name}: {num_trials} trials of "
        f"{', '.join(each.name for each in searched.space)} on {name_folds(searched.folds)}"
    )
    trials = run_sweep(searched, num_trials, workspace, reporter)
    best = best_of(trials)
    if best.gain <= 0:
        reporter.line(f"no trial was better than the baseline, of {len(trials)}")
        folds, more = ",".join(map(str, searched.folds)), str(2 * len(trials))
        command = make_command("sweep", {**knobs, "FOLDS": folds, "TRIALS": more})
        reporter.line(_fact("next", f"keep the baseline, or search on: {command}"))
        return None
    base = searched.base
    seen = compare_runs([base.name], [best.run], workspace, folds=searched.folds).difference
    reporter.line("")
    reporter.line(f"best of {len(trials)}: {searched.describe(best.values)}")
    check_folds = _check_folds(searched)
    fresh_seed = {"seed": base.settings.seed + 1}
    reporter.line(
        f"training it and the baseline again, under seed {fresh_seed['seed']} on "
        f"{name_folds(check_folds)}"
    )
    winner = searched.specify(best.values)
    pair = (
        respecify(base, fresh_seed, base.recipe),
        respecify(winner, fresh_seed, winner.recipe),
    )
    check = take_turn([pair], check_folds, workspace, reporter, stop_early=False)
    reporter.line("")
    for line in describe(check.comparison):
        reporter.line(line)
    for name, text in [
        *_what_selection_did(seen, check.comparison.difference, len(trials)),
        ("next", _next(searched, best, check, knobs)),
    ]:
        reporter.line(_fact(name, text))
    return check


def run_sweep(
    search: Search, num_trials: int, workspace: Workspace, reporter: Reporter
) -> list[Trial]:
    """Train trials until there are `num_trials`, those of earlier calls included.

    Each trial is trained on the first fold and, unless it is given up there, on all others. Its
    score is its gain: its accuracy minus the baseline's, on the same images.

    Args:
        search: What is searched.
        num_trials: How many trials there shall be, the baseline among them.
        workspace: Where everything lies.
        reporter: Told each trial, and the best so far.

    Returns:
        All finished trials, in their order; the first is the baseline.

    Raises:
        UserError: Optuna is missing, the name belongs to a run, another process writes the sweep,
            the recipe fails within its own ranges, or see `train_run`.
    """
    if find_run(search.folder_name, workspace):
        raise UserError(f"{search.folder_name} is a run; give the sweep another name with RUN=.")
    paths = workspace.run(search.folder_name)
    with locked(paths.lock, f"sweep {search.folder_name}"):
        seed = search.base.settings.seed
        study = Study(paths.sweep, search.space, seed, identity=search.identity)
        finished = study.finished()
        if finished:
            reporter.line(f"{len(finished)} trials were finished before")
        while len(finished) < num_trials:
            label = f"trial {len(finished) + 1:>{len(str(num_trials))}}/{num_trials}"
            trial = _train_trial(search, study.propose(), workspace, OnlyBars(reporter, label))
            finished.append(trial)
            reporter.line(_describe_trial(label, search, trial, best_of(finished)))
    return finished


def best_of(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the greatest gain among those not given up; the earliest of equals."""
    return max((trial for trial in trials if not trial.pruned), key=lambda trial: trial.gain)


def _train_trial(
    search: Search, trial: OpenTrial, workspace: Workspace, reporter: Reporter
) -> Trial:
    """Train one trial on the first fold and, if it has a chance, on all."""
    spec = search.specify(trial.values)
    gain = _gain(search, spec, search.folds[:1], workspace, reporter)
    if trial.is_hopeless(gain):
        return trial.finish(spec.name, gain, pruned=True)
    if len(search.folds) > 1:
        gain = _gain(search, spec, search.folds, workspace, reporter)
    return trial.finish(spec.name, gain, pruned=False)


def _gain(
    search: Search, spec: RunSpec, folds: Sequence[int], workspace: Workspace, reporter: Reporter
) -> float:
    """Train the folds that are not finished; return the accuracy beyond the baseline's."""
    settings = spec.settings.model_copy(update={"folds": ",".join(map(str, folds))})
    train_run(replace(spec, settings=settings), workspace, reporter)
    if spec.name == search.base.name:
        return 0.0
    compared = compare_runs([search.base.name], [spec.name], workspace, folds=folds)
    return compared.difference.value


def _describe_trial(label: str, search: Search, trial: Trial, best: Trial) -> str:
    what = "the baseline" if trial.run == search.base.name else search.describe(trial.values)
    if trial.pruned:
        return f"{label}  {trial.gain:+.4f}  given up after one fold  ({what})"
    mark = "best so far" if trial == best else f"best {best.gain:+.4f}"
    return f"{label}  {trial.gain:+.4f}  {mark}  ({what})"


def _fact(name: str, text: str) -> str:
    return f"{name:<15}{text}"


def _check_folds(searched: Search) -> Sequence[int]:
    """Folds that no trial was scored on; if there are none, those again, under another seed."""
    settings = searched.base.settings.model_copy(update={"folds": "all"})
    others = [fold for fold in settings.fold_numbers if fold not in searched.folds]
    return others[:_NUM_CHECK_FOLDS] or searched.folds


def _what_selection_did(
    seen: Difference, checked: Difference, num_trials: int
) -> list[tuple[str, str]]:
    """How good the winner looked where it was chosen, and how much of that was left."""
    low, high = checked.interval()
    lost = seen.value - checked.value
    return [
        (
            "chosen by",
            f"{seen.value:+.4f} on {seen.num_images:,} images, the best of {num_trials} trials",
        ),
        (
            "on fresh ones",
            f"{checked.value:+.4f} on {checked.num_images:,} images (95 % {low:+.4f} to "
            f"{high:+.4f})",
        ),
        (
            "selection",
            f"{lost:+.4f} of the {seen.value:+.4f} was the luck of the chosen"
            if lost > 0
            else "took nothing away: the gain is no smaller on fresh images",
        ),
    ]


def _next(searched: Search, best: Trial, check: Turn, knobs: Mapping[str, str]) -> str:
    """What to do with the winner."""
    verdict = check.comparison.difference.verdict
    if verdict == "worse":
        return "keep the baseline"
    chosen = list(zip(searched.space, best.values, strict=True))
    recipe = [f"{each.name}={value}" for each, value in chosen if each.kind == "recipe"]
    settings = [f"{each.name}={value}" for each, value in chosen if each.kind == "setting"]
    typed = {name: value for name, value in knobs.items() if name not in ("RUN", "SET")}
    typed["SET"] = " ".join([*settings, *knobs.get("SET", "").split()])
    target = "submit"
    if verdict == "cannot tell":
        target = "try"
        typed = {name: value for name, value in typed.items() if name != "PRESET"}
        typed = {"BASE": searched.base.name, "FOLDS": "all", **typed}
    command = make_command(target, typed)
    if not recipe:
        return command
    augment = searched.base.settings.augment
    return (
        f"in pipeline/augment/recipes.py, give {augment} the defaults {', '.join(recipe)}; "
        f"then {command}"
    )
