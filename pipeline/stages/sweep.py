"""`make sweep`: search better values for a recipe, then look how much of the gain was luck."""

from collections.abc import Mapping, Sequence

from pipeline.artifacts.paths import Workspace
from pipeline.comparison.difference import Difference
from pipeline.comparison.words import describe
from pipeline.jobs.comparison import compare_runs
from pipeline.jobs.sweep import Sweep, best_of, run_sweep
from pipeline.jobs.turn import Turn, take_turn
from pipeline.reporting import Reporter, make_command, name_folds
from pipeline.runs import respecify
from pipeline.sweeping.study import Trial

DEFAULT_NUM_FOLDS = 3
"""Folds of each trial, if none are asked for; a trial that looks bad on the first gets no more."""

_NUM_CHECK_FOLDS = 4
"""Folds, at most, on which the winner is looked at again."""


def sweep(
    searched: Sweep,
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


def _fact(name: str, text: str) -> str:
    return f"{name:<15}{text}"


def _check_folds(searched: Sweep) -> Sequence[int]:
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


def _next(searched: Sweep, best: Trial, check: Turn, knobs: Mapping[str, str]) -> str:
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
