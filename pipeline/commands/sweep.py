"""`make sweep`: search better values for a recipe, then look how much of the gain was luck."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.augment.registry import recipe_ranges
from pipeline.commands.knobs import Knobs, Text
from pipeline.commands.try_ import Turn, take_turn
from pipeline.console import OnlyBars, Reporter, make_command, name_folds
from pipeline.data.files import locked
from pipeline.errors import UserError
from pipeline.judging.pairing import compare_runs
from pipeline.judging.search import Search, build_space
from pipeline.judging.study import Study, Trial
from pipeline.judging.words import describe
from pipeline.runs.results import find_run
from pipeline.runs.spec import RunSpec, respecify
from pipeline.runs.workspace import Workspace
from pipeline.training.run import train_run, train_together

DEFAULT_NUM_FOLDS = 3
"""Folds of each trial, if none are asked for; a trial that looks bad on the first gets no more."""

_NUM_CHECK_FOLDS = 4
"""Folds, at most, on which the winner is looked at again."""


@dataclass(frozen=True)
class Sweep(Knobs):
    """Search better values for a recipe and a few settings, and check the best on fresh ground."""

    trials: Text = "20"
    """How many trials, the baseline among them."""
    batch: Text = "1"
    """Trials proposed at once, and trained at once on a cluster; another size is another sweep."""

    def __call__(self, workspace: Workspace, reporter: Reporter) -> None:
        """Run the command."""
        if not (self.trials.isdecimal() and int(self.trials) >= 2):
            raise UserError(f"TRIALS={self.trials} must be a whole number from 2 on.")
        if not (self.batch.isdecimal() and 1 <= int(self.batch) <= 1000):
            raise UserError(f"BATCH={self.batch} must be a whole number, 1 to 1000.")
        base = replace(self, run="").specify(workspace)
        folds = self.first_folds(base.settings, DEFAULT_NUM_FOLDS)
        declared = recipe_ranges(base.settings.augment)
        space = build_space(base.settings, declared, self.given().keys())
        search = Search(self.run, base, space, folds, int(self.batch))
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
    trained again under another seed, on folds that no trial was scored on, and so is the baseline:
    that is the check returned, if any trial was better than the baseline. The command to type next
    has the `knobs` that the user typed.
    """
    base, folds = searched.base, searched.folds
    reporter.line(
        f"{searched.folder_name}: {num_trials} trials of "
        f"{', '.join(each.name for each in searched.space)} on {name_folds(folds)}"
    )
    trials = run_sweep(searched, num_trials, workspace, reporter)
    best = best_of(trials)
    if best.gain <= 0:
        reporter.line(f"no trial was better than the baseline, of {len(trials)}")
        more = {"FOLDS": ",".join(map(str, folds)), "TRIALS": str(2 * len(trials))}
        command = make_command("sweep", {**knobs, **more})
        reporter.line(f"{'next':<15}keep the baseline, or search on: {command}")
        return None
    seen = compare_runs([base.name], [best.run], workspace, folds=folds).difference
    reporter.line("")
    reporter.line(f"best of {len(trials)}: {searched.describe(best.values)}")
    all_folds = base.settings.model_copy(update={"folds": "all"}).fold_numbers
    others = [fold for fold in all_folds if fold not in folds]
    check_folds = others[:_NUM_CHECK_FOLDS] or folds
    seed = base.settings.seed + 1
    reporter.line(
        f"training it and the baseline again, under seed {seed} on {name_folds(check_folds)}"
    )
    winner = searched.specify(best.values)
    pair = (
        respecify(base, {"seed": seed}, base.recipe),
        respecify(winner, {"seed": seed}, winner.recipe),
    )
    check = take_turn([pair], check_folds, workspace, reporter, stop_early=False)
    checked = check.comparison.difference
    low, high = checked.interval()
    lost = seen.value - checked.value
    luck = f"{lost:+.4f} of the {seen.value:+.4f} was the luck of the chosen"
    facts = [
        (
            "chosen by",
            f"{seen.value:+.4f} on {seen.num_images:,} images, the best of {len(trials)} trials",
        ),
        (
            "on fresh ones",
            f"{checked.value:+.4f} on {checked.num_images:,} images (95 % {low:+.4f} to "
            f"{high:+.4f})",
        ),
        (
            "selection",
            luck if lost > 0 else "took nothing away: the gain is no smaller on fresh images",
        ),
        ("next", _next(searched, best, checked.verdict, knobs)),
    ]
    for line in ["", *describe(check.comparison, facts)]:
        reporter.line(line)
    return check


def run_sweep(
    search: Search, num_trials: int, workspace: Workspace, reporter: Reporter
) -> list[Trial]:
    """Train trials until there are `num_trials`, those of earlier calls included; return them all.

    Each trial is trained on the first fold and, unless it is given up there, on all others. Its
    score is its gain: its accuracy minus the baseline's, on the same images. The first trial is the
    baseline. A batch of trials is trained to its end.

    Raises:
        UserError: Optuna is missing, the name belongs to a run, another process writes the sweep,
            the recipe fails within its own ranges, or see `train_run`.
    """
    if find_run(search.folder_name, workspace):
        raise UserError(f"{search.folder_name} is a run; give the sweep another name with RUN=.")
    num_trials = -(-num_trials // search.batch) * search.batch
    paths = workspace.run(search.folder_name)
    with locked(paths.lock, f"sweep {search.folder_name}"):
        seed = search.base.settings.seed
        study = Study(paths.sweep, search.space, seed, identity=search.identity)
        finished = study.finished()
        if finished:
            reporter.line(f"{len(finished)} trials were finished before")
        while len(finished) < num_trials:
            batch = study.propose(search.batch)
            width = len(str(num_trials))
            first = len(finished) + 1
            labels = [f"trial {first + n:>{width}}/{num_trials}" for n in range(len(batch))]
            specs = [search.specify(values) for values in batch]
            bars = OnlyBars(reporter, labels[0])
            gains = _gains(search, specs, search.folds[:1], workspace, bars)
            pruned = [study.is_hopeless(place, gain) for place, gain in enumerate(gains)]
            going_on = [spec for spec, gone in zip(specs, pruned, strict=True) if not gone]
            if len(search.folds) > 1:
                on_all = iter(_gains(search, going_on, search.folds, workspace, bars))
                gains = [
                    gain if gone else next(on_all) for gain, gone in zip(gains, pruned, strict=True)
                ]
            trials = [
                Trial(spec.name, values, gain, gone)
                for spec, values, gain, gone in zip(specs, batch, gains, pruned, strict=True)
            ]
            study.finish(trials)
            for label, trial in zip(labels, trials, strict=True):
                finished.append(trial)
                reporter.line(_describe_trial(label, search, trial, best_of(finished)))
    return finished


def best_of(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the greatest gain among those not given up; the earliest of equals."""
    return max((trial for trial in trials if not trial.pruned), key=lambda trial: trial.gain)


def _gains(
    search: Search,
    specs: Sequence[RunSpec],
    folds: Sequence[int],
    workspace: Workspace,
    reporter: Reporter,
) -> list[float]:
    """Train the folds that are not finished; return each run's accuracy beyond the baseline's."""
    only = {"folds": ",".join(map(str, folds))}
    asked = {
        spec.name: replace(spec, settings=spec.settings.model_copy(update=only)) for spec in specs
    }
    if search.base.settings.cluster:
        train_together(list(asked.values()), workspace, reporter)
    for spec in asked.values():
        train_run(spec, workspace, reporter)
    return [
        0.0
        if spec.name == search.base.name
        else compare_runs([search.base.name], [spec.name], workspace, folds=folds).difference.value
        for spec in specs
    ]


def _describe_trial(label: str, search: Search, trial: Trial, best: Trial) -> str:
    what = "the baseline" if trial.run == search.base.name else search.describe(trial.values)
    mark = "best so far" if trial == best else f"best {best.gain:+.4f}"
    if trial.pruned:
        mark = "given up after one fold"
    return f"{label}  {trial.gain:+.4f}  {mark}  ({what})"


def _next(searched: Search, best: Trial, verdict: str, knobs: Mapping[str, str]) -> str:
    """What to do with the winner."""
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
        typed.pop("PRESET", None)
        typed = {"BASE": searched.base.name, "FOLDS": "all", **typed}
    command = make_command(target, typed)
    if not recipe:
        return command
    augment = searched.base.settings.augment
    return (
        f"in pipeline/augment/recipes.py, give {augment} the defaults {', '.join(recipe)}; "
        f"then {command}"
    )
