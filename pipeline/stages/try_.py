"""`make try`: does a change help? Trains it as the baseline was trained, and compares."""

from collections.abc import Mapping, Sequence

from pipeline.artifacts.paths import Workspace
from pipeline.comparison.words import describe
from pipeline.jobs.turn import FUTILE, Pair, Turn, take_turn
from pipeline.reporting import Reporter, make_command
from pipeline.runs import differences

DEFAULT_NUM_FOLDS = 5
"""Folds of each side at most, if none are asked for: with `quick`, minutes on two cores."""


def try_change(
    pairs: Sequence[Pair],
    folds: Sequence[int],
    workspace: Workspace,
    reporter: Reporter,
    *,
    knobs: Mapping[str, str],
) -> Turn:
    """Train baseline and change, cheapest first, until it is clear which is better; say so.

    Args:
        pairs: Baseline and change, for each seed; see `pair_up`.
        folds: The trainings of each run, at most.
        workspace: Where everything lies.
        reporter: Told the trainings, the verdict and what to type next.
        knobs: What the user typed, by knob, for the command to type next.

    Raises:
        UserError: See `take_turn`.
    """
    base, change = pairs[0]
    budget = f"up to {_number(len(folds), 'fold')} and {_number(len(pairs), 'seed')}"
    reporter.line(f"trying {'; '.join(differences(base, change))}: {budget} of each side")
    turn = take_turn(pairs, folds, workspace, reporter)
    reporter.line("")
    for line in describe(turn.comparison):
        reporter.line(line)
    facts = [("stopped", _why(turn)), ("cost", _cost(turn)), ("next", _next(turn, knobs))]
    for name, text in facts:
        reporter.line(f"{name:<15}{text}")
    return turn


def _why(turn: Turn) -> str:
    if turn.end == "clear":
        return "as soon as it was clear; the difference is probably a little smaller than it looks"
    if turn.end == "futile":
        chance = f"{100 * turn.chance:.0f}"
        return (
            f"early: the rest of what was asked for would decide in {chance} of 100 cases, and "
            f"below {100 * FUTILE:.0f} it is not worth the time"
        )
    return "when everything asked for was trained"


def _cost(turn: Turn) -> str:
    minutes, seconds = divmod(round(turn.elapsed_s), 60)
    took = f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"
    if not turn.num_trained:
        return f"{took}; all trainings were there"
    were = "was" if turn.num_reused == 1 else "were"
    reused = f"; {turn.num_reused} more {were} there" if turn.num_reused else ""
    return f"{took} for {_number(turn.num_trained, 'training')}{reused}"


def _next(turn: Turn, knobs: Mapping[str, str]) -> str:
    """The command that follows from the verdict."""
    comparison = turn.comparison
    num_seeds = len(comparison.b.runs)
    practice = {name: value for name, value in knobs.items() if name == "COMPETITION"}
    if comparison.difference.verdict == "better":
        return make_command("submit", practice | {"RUN": comparison.b.runs[0]})
    if turn.end == "spent":
        more = {"FOLDS": "all"}
        if comparison.difference.num_images == comparison.num_train:
            more["SEEDS"] = " ".join(map(str, range(num_seeds + 1)))
        return make_command("try", {**knobs, **more})
    sides = {"A": " ".join(comparison.a.runs), "B": " ".join(comparison.b.runs)}
    return make_command("compare", sides | {"IMAGES": "1"})


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
