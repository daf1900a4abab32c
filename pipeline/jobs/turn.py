"""One turn of the loop: train baseline and change alike, cheapest first, until it is clear."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pipeline.artifacts.digits_cache import load_digits
from pipeline.artifacts.paths import Workspace
from pipeline.artifacts.tables import read_folds
from pipeline.comparison.outlook import chance_of_decision
from pipeline.comparison.sides import Comparison
from pipeline.competition import get_competition
from pipeline.errors import UserError
from pipeline.jobs.comparison import compare_runs
from pipeline.jobs.training import train_run
from pipeline.reporting import OnlyBars, Reporter, name_folds
from pipeline.runs import RunSpec, differences, load_out_of_fold, respecify
from pipeline.scoring import Accuracy, count_correct
from pipeline.settings import EXECUTION_FIELDS, parse_settings

FUTILE = 0.1
"""A search is given up when all that is left of it would decide with less than this chance."""

Pair = tuple[RunSpec, RunSpec]
"""Baseline and change, under the same seed."""


OF_BOTH_SIDES = EXECUTION_FIELDS | {"valid"}
"""Settings that say how a change is measured, not what it is."""


@dataclass(frozen=True)
class Turn:
    """How a turn ended.

    Attributes:
        comparison: Of all runs that were trained or found.
        end: "clear": the verdict is decided. "futile": the rest would hardly decide it. "spent":
            everything asked for is trained.
        chance: That the rest of what was asked for would have decided.
        num_trained: Trainings done now.
        num_reused: Trainings that were finished before.
        elapsed_s: How long it took.
    """

    comparison: Comparison
    end: Literal["clear", "futile", "spent"]
    chance: float
    num_trained: int
    num_reused: int
    elapsed_s: float


def pair_up(
    base: RunSpec, given: Mapping[str, object], recipe: str, seeds: Sequence[str]
) -> list[Pair]:
    """Return baseline and change for each seed.

    Args:
        base: The baseline, under its own seed.
        given: The settings that make the change, and any of `OF_BOTH_SIDES`.
        recipe: The change's serialised recipe.
        seeds: Of both sides; none: the baseline's own.

    Raises:
        UserError: A value has the wrong type or is out of its range, a seed comes twice, no image
            is held out, or the change is the baseline.
    """
    if twice := {seed for seed in seeds if seeds.count(seed) > 1}:
        raise UserError(f"SEEDS has {min(twice)} twice.")
    if parse_settings({**base.settings.model_dump(), **given}, "your knobs").all_data:
        raise UserError("nothing can be compared without images held out; leave all-data out.")
    pairs = []
    for seed in seeds or [str(base.settings.seed)]:
        mine = respecify(base, {"seed": seed}, base.recipe)
        pairs.append((mine, respecify(mine, given, recipe)))
    if not differences(*pairs[0]):
        raise UserError(
            "there is nothing to try: with these knobs the change is the baseline itself. Give "
            "AUGMENT=, MODEL=, EPOCHS= or SET=; if you edited the baseline's own recipe, name a "
            "run from before the edit: BASE=<run>."
        )
    return pairs


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
    folds, seed after seed. After each step the two sides are compared. What stops the turn is
    evidence that holds however often one looks (`Difference.evidence`), so stopping at once when
    it is clear raises no false alarm; to give up where little can be hoped for raises none
    either. What was trained before is reused.

    Args:
        pairs: Baseline and change, for each seed.
        folds: The trainings of each run, at most; no others are counted.
        workspace: Where everything lies.
        reporter: Told each training and what is known after each step.
        stop_early: Look after each step; False looks once, when all is trained.

    Raises:
        UserError: See `train_run` and `compare_runs`.
    """
    start = time.monotonic()
    trained: set[tuple[str, int]] = set()
    used: set[tuple[str, int]] = set()
    for num_seeds, some_folds in _steps(len(pairs), folds):
        for name, spec in _runs_of(pairs[:num_seeds]):
            wanted = {(spec.name, fold) for fold in some_folds}
            if wanted <= used:
                continue
            trained |= _train(name, spec, some_folds, workspace, reporter)
            used |= wanted
        is_last = (num_seeds, len(some_folds)) == (len(pairs), len(folds))
        if not (stop_early or is_last):
            continue
        base, change = (
            [spec.name for spec in side] for side in zip(*pairs[:num_seeds], strict=True)
        )
        comparison = compare_runs(base, change, workspace, folds=folds)
        share_done = num_seeds * len(some_folds) / (len(pairs) * len(folds))
        chance = _chance_of_rest(comparison, share_done)
        if comparison.difference.verdict != "cannot tell":
            end: Literal["clear", "futile", "spent"] = "clear"
        elif is_last:
            end = "spent"
        elif chance < FUTILE:
            end = "futile"
        else:
            reporter.line(_standing(comparison))
            continue
        break
    reused = used - trained
    return Turn(comparison, end, chance, len(trained), len(reused), time.monotonic() - start)


def _steps(num_seeds: int, folds: Sequence[int]) -> list[tuple[int, Sequence[int]]]:
    """What to have trained at each look: a number of seeds, and the folds of each."""
    sizes = [1 << power for power in range(len(folds).bit_length()) if 1 << power < len(folds)]
    first = [(1, folds[:size]) for size in [*sizes, len(folds)]]
    return first + [(seeds, folds) for seeds in range(2, num_seeds + 1)]


def _runs_of(pairs: Sequence[Pair]) -> list[tuple[str, RunSpec]]:
    return [run for base, change in pairs for run in (("baseline", base), ("change", change))]


def _train(
    name: str, spec: RunSpec, folds: Sequence[int], workspace: Workspace, reporter: Reporter
) -> set[tuple[str, int]]:
    """Train some folds of a run; return what was not finished before."""
    finished = set(workspace.run(spec.name).finished_folds())
    new = [fold for fold in folds if fold not in finished]
    settings = spec.settings.model_copy(update={"folds": ",".join(map(str, folds))})
    what = f"{name:<8}  seed {settings.seed}  {name_folds(folds)}"
    start = time.monotonic()
    # Training makes sure of what it finds, also if nothing is left to train.
    train_run(replace(spec, settings=settings), workspace, OnlyBars(reporter, what))
    accuracy = _accuracy_on(folds, spec, workspace)
    took = f"{time.monotonic() - start:.0f} s" if new else "finished before"
    reporter.line(f"{what:<30}  {accuracy}  {took}")
    return {(spec.name, fold) for fold in new}


def _accuracy_on(folds: Sequence[int], spec: RunSpec, workspace: Workspace) -> Accuracy:
    """The accuracy on what these trainings held out; the run may have more of them."""
    inputs = workspace.input(get_competition(spec.settings.competition))
    labels = load_digits(inputs).train_labels
    held_out = [each for fold in folds for each in spec.settings.held_out(fold)]
    out_of_fold = load_out_of_fold(spec.name, workspace)
    counted = np.isin(read_folds(inputs.folds, labels)[out_of_fold.ids], held_out)
    return count_correct(out_of_fold.probs[counted], labels[out_of_fold.ids[counted]])


def _chance_of_rest(comparison: Comparison, share_done: float) -> float:
    """The chance that what is left decides, if each further training tells as much as the first.

    Seeds tell less than folds, so it is rather too high.
    """
    counts = comparison.difference.evidence_counts
    further = (sum(counts) + 1) * (1 / share_done - 1)
    return chance_of_decision(*counts, math.ceil(further - 1e-9))


def _standing(comparison: Comparison) -> str:
    """What is known after a step that decides nothing."""
    difference = comparison.difference
    return (
        f"  not clear yet: {difference.value:+.4f} on {difference.num_images:,} images, "
        f"evidence {difference.evidence:.1f} to 1"
    )
