"""`make try`: does a change help? Trains it as its baseline is trained, until that is clear."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pipeline.augment.registry import recipe_text
from pipeline.commands.knobs import Knobs, Text
from pipeline.console import OnlyBars, Reporter, make_command, name_folds
from pipeline.data.competition import get_competition
from pipeline.data.digits_cache import load_training_images
from pipeline.data.folds import read_folds
from pipeline.errors import UserError
from pipeline.judging.evidence import chance_of_decision
from pipeline.judging.pairing import Comparison, compare_runs
from pipeline.judging.words import describe
from pipeline.runs.results import load_out_of_fold, read_config
from pipeline.runs.scoring import Accuracy, count_correct
from pipeline.runs.spec import RunSpec, differences, respecify, specify_again
from pipeline.runs.workspace import Workspace
from pipeline.settings.fields import EXECUTION_FIELDS
from pipeline.training.run import train_run, train_together

DEFAULT_NUM_FOLDS = 5
"""Folds of each side at most, if none are asked for: with `quick`, minutes on two cores."""

FUTILE = 0.1
"""A search is given up when all that is left of it would decide with less than this chance."""

Pair = tuple[RunSpec, RunSpec]
"""Baseline and change, under the same seed."""

OF_BOTH_SIDES = EXECUTION_FIELDS | {"valid"}
"""Settings that say how a change is measured, not what it is."""


@dataclass(frozen=True)
class Try(Knobs):
    """Train a change as its baseline is trained, cheapest first, and say whether it helps."""

    seeds: Text = ""
    """Seeds of each side, at most, separated by spaces; empty: the preset's."""
    base: Text = ""
    """A run to be the baseline, with its settings and recipe; empty: the preset as it is."""
    member: Text = ""
    """Which member of an ensemble's PRESET changes: 1, 2, ...; the mean of all is compared, too."""

    def __call__(self, workspace: Workspace, reporter: Reporter) -> None:
        """Run the command."""
        if self.run or self.seed:
            raise UserError("try names its runs itself and takes SEEDS; leave RUN and SEED out.")
        if self.base and (self.preset or self.member):
            raise UserError("the baseline is either PRESET or BASE; leave one of them out.")
        given = self.given()
        both = {name: value for name, value in given.items() if name in OF_BOTH_SIDES}
        if self.base:
            config = read_config(self.base, workspace)
            if config.competition != self.competition:
                raise UserError(f"run {self.base} belongs to COMPETITION={config.competition}.")
            base = respecify(specify_again(config), both, config.recipe, config.network_sha256)
            beside: list[str] = []
        else:
            base, beside = self._specify_member(workspace, both)
        folds = self.first_folds(base.settings, DEFAULT_NUM_FOLDS)
        augment = given.get("augment")
        recipe = recipe_text(augment, workspace.recipes) if augment else base.recipe
        pairs = pair_up(base, given, recipe, self.seeds.split())
        turn = try_change(pairs, folds, workspace, reporter, knobs=self.typed())
        if beside:
            say_of_the_whole(turn, beside, workspace, reporter, knobs=self.typed())

    def _specify_member(
        self, workspace: Workspace, both: Mapping[str, str]
    ) -> tuple[RunSpec, list[str]]:
        """The baseline, and the names of the other members if the preset is an ensemble."""
        spec = self.specify_any(workspace, both)
        runs = [spec] if isinstance(spec, RunSpec) else list(spec.members)
        runs = [run for run in runs if not run.settings.all_data] or runs
        number = self.member or ("1" if len(runs) == 1 else "")
        if number not in [str(k + 1) for k in range(len(runs))]:
            raise UserError(
                f"MEMBER={self.member or '(empty)'} is no member of this preset; choose one: "
                + "; ".join(f"{k}: {run.settings.model}" for k, run in enumerate(runs, 1))
                + "."
            )
        base = runs.pop(int(number) - 1)
        return base, [run.name for run in runs]


def pair_up(
    base: RunSpec, given: Mapping[str, object], recipe: str, seeds: Sequence[str]
) -> list[Pair]:
    """Return baseline and change for each seed; without seeds, for the baseline's own.

    The change is made by the `given` settings, any of `OF_BOTH_SIDES` among them, and its recipe.

    Raises:
        UserError: A value has the wrong type or is out of its range, a seed comes twice, or the
            change is the baseline.
    """
    if twice := {seed for seed in seeds if seeds.count(seed) > 1}:
        raise UserError(f"SEEDS has {min(twice)} twice.")
    pairs = []
    for seed in seeds or [str(base.settings.seed)]:
        mine = respecify(base, {"seed": seed}, base.recipe, base.network)
        pairs.append((mine, respecify(mine, given, recipe)))
    if not differences(*pairs[0]):
        raise UserError(
            "there is nothing to try: with these knobs the change is the baseline itself. Give "
            "AUGMENT=, MODEL=, EPOCHS= or SET=; if you edited the baseline's own recipe or "
            "network, name a run from before the edit: BASE=<run>."
        )
    return pairs


@dataclass(frozen=True)
class Turn:
    """How a turn ended."""

    comparison: Comparison
    end: Literal["clear", "futile", "spent"]
    """The verdict is decided; or the rest would hardly decide it; or all asked for is trained."""
    chance: float
    """That the rest of what was asked for would have decided."""
    num_trained: int
    num_reused: int
    """Trainings that were finished before."""
    elapsed_s: float


def try_change(
    pairs: Sequence[Pair],
    folds: Sequence[int],
    workspace: Workspace,
    reporter: Reporter,
    *,
    knobs: Mapping[str, str],
) -> Turn:
    """Take a turn with baseline and change, and say the verdict and what to type next.

    The command to type next has the `knobs` that the user typed.
    """
    budget = f"up to {_number(len(folds), 'fold')} and {_number(len(pairs), 'seed')}"
    reporter.line(f"trying {'; '.join(differences(*pairs[0]))}: {budget} of each side")
    turn = take_turn(pairs, folds, workspace, reporter)
    facts = [("stopped", _why(turn)), ("cost", _cost(turn)), ("next", _next(turn, knobs))]
    for line in ["", *describe(turn.comparison, facts)]:
        reporter.line(line)
    return turn


def say_of_the_whole(
    turn: Turn,
    beside: Sequence[str],
    workspace: Workspace,
    reporter: Reporter,
    *,
    knobs: Mapping[str, str],
) -> None:
    """Say what the change of one member does to the mean of all; the others stay as they are."""
    reporter.line(f"\nthe mean of all {len(beside) + 1} members, with the change in place of one:")
    folds = sorted({int(each) for each in turn.comparison.a.trainings})
    if any(not set(folds) <= set(workspace.run(name).finished_folds()) for name in beside):
        shared = {name: knobs.get(name, "") for name in ("COMPETITION", "PRESET", "VALID")}
        command = make_command("train", shared | {"FOLDS": ",".join(map(str, folds))})
        reporter.line(f"not all are trained; {command}")
        return
    a, b = turn.comparison.a.runs, turn.comparison.b.runs
    for line in describe(compare_runs(a, b, workspace, folds=folds, beside=beside)):
        reporter.line(line)


def take_turn(
    pairs: Sequence[Pair],
    folds: Sequence[int],
    workspace: Workspace,
    reporter: Reporter,
    *,
    stop_early: bool = True,
) -> Turn:
    """Train both sides of every pair on the same folds and compare them, as far as needed.

    First one fold of the first seed, then twice as many folds, and so on; when there are no more
    folds, seed after seed. After each step the two sides are compared on these folds and no others.
    What stops the turn is evidence that holds however often one looks (`Difference.evidence`), so
    stopping at once when it is clear raises no false alarm; to give up where little can be hoped
    for raises none either. What was trained before is reused. Not to `stop_early` is to look once,
    when all is trained.

    Raises:
        UserError: See `train_run` and `compare_runs`.
    """
    start = time.monotonic()
    num_trained = 0
    sizes = [size for size in (1, 2, 4, 8) if size < len(folds)]
    steps = [(1, size) for size in sizes] + [(n + 1, len(folds)) for n in range(len(pairs))]
    for num_seeds, num_folds in steps:
        asked = ",".join(map(str, folds[:num_folds]))
        sides = [
            replace(spec, settings=spec.settings.model_copy(update={"folds": asked}))
            for spec in pairs[num_seeds - 1]
        ]
        num_trained += _train(sides, workspace, reporter)
        is_last = (num_seeds, num_folds) == steps[-1]
        if not (stop_early or is_last):
            continue
        base, change = (
            [spec.name for spec in side] for side in zip(*pairs[:num_seeds], strict=True)
        )
        comparison = compare_runs(base, change, workspace, folds=folds)
        difference = comparison.difference
        # What is left decides with this chance if each further training tells as much as the
        # first. Seeds tell less than folds, so it is rather too high.
        share_done = num_seeds * num_folds / (len(pairs) * len(folds))
        counts = difference.evidence_counts
        further = math.ceil((sum(counts) + 1) * (1 / share_done - 1) - 1e-9)
        chance = chance_of_decision(*counts, further)
        end: Literal["clear", "futile", "spent"] = "spent" if is_last else "futile"
        if difference.verdict != "cannot tell":
            end = "clear"
        elif not is_last and chance >= FUTILE:
            reporter.line(
                f"  not clear yet: {difference.value:+.4f} on {difference.num_images:,} images, "
                f"evidence {difference.evidence:.1f} to 1"
            )
            continue
        break
    num_reused = 2 * num_seeds * num_folds - num_trained
    return Turn(comparison, end, chance, num_trained, num_reused, time.monotonic() - start)


def _train(sides: Sequence[RunSpec], workspace: Workspace, reporter: Reporter) -> int:
    """Train baseline and change on the same folds; return how many were not finished before."""
    finished = [set(workspace.run(side.name).finished_folds()) for side in sides]
    num_new = [
        len(set(side.settings.fold_numbers) - there)
        for side, there in zip(sides, finished, strict=True)
    ]
    together = bool(sides[0].settings.cluster)
    start = time.monotonic()
    if together:
        train_together(sides, workspace, OnlyBars(reporter, "both sides"))
    for name, side, new in zip(("baseline", "change"), sides, num_new, strict=True):
        settings = side.settings
        what = f"{name:<8}  seed {settings.seed}  {name_folds(settings.fold_numbers)}"
        if not together:
            start = time.monotonic()
        # Training makes sure of what it finds, also if nothing is left to train.
        train_run(side, workspace, OnlyBars(reporter, what))
        accuracy = _accuracy(side, workspace)
        took = f"{time.monotonic() - start:.0f} s" if new else "finished before"
        reporter.line(f"{what:<30}  {accuracy}  {took}")
    return sum(num_new)


def _accuracy(spec: RunSpec, workspace: Workspace) -> Accuracy:
    """On the validation images of the folds asked for; the run may have more."""
    settings = spec.settings
    inputs = workspace.input(get_competition(settings.competition))
    _, labels = load_training_images(inputs)
    out_of_fold = load_out_of_fold(spec.name, workspace)
    trainings = read_folds(inputs.folds, labels)[out_of_fold.ids] // settings.num_valid_folds
    counted = np.isin(trainings, settings.fold_numbers)
    return count_correct(out_of_fold.probs[counted], labels[out_of_fold.ids[counted]])


def _why(turn: Turn) -> str:
    """Why it stopped."""
    if turn.end == "clear":
        return "as soon as it was clear; the difference is probably a little smaller than it looks"
    if turn.end == "spent":
        return "when everything asked for was trained"
    return (
        f"early: the rest of what was asked for would decide in {100 * turn.chance:.0f} of 100 "
        f"cases, and below {100 * FUTILE:.0f} it is not worth the time"
    )


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
    if comparison.difference.verdict == "better":
        practice = {name: value for name, value in knobs.items() if name == "COMPETITION"}
        return make_command("submit", practice | {"RUN": comparison.b.runs[0]})
    if turn.end == "spent":
        more = {"FOLDS": "all"}
        if comparison.difference.num_images == comparison.num_train:
            more["SEEDS"] = " ".join(map(str, range(len(comparison.b.runs) + 1)))
        return make_command("try", {**knobs, **more})
    sides = {"A": " ".join(comparison.a.runs), "B": " ".join(comparison.b.runs)}
    return make_command("compare", sides | {"IMAGES": "1"})


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
