"""A comparison in words, for the terminal."""

import math
from collections.abc import Sequence

from pipeline.judging.difference import Difference
from pipeline.judging.evidence import DECISIVE, further_decisive_images
from pipeline.judging.pairing import Comparison, Side
from pipeline.runs.scoring import count_correct

_MOST_SEEDS = 5
"""More seeds than these on every fold are no realistic advice."""


def describe(comparison: Comparison, more: Sequence[tuple[str, str]] = ()) -> list[str]:
    """Return the comparison as lines, the verdict first; more facts come last."""
    facts = [*list_facts(comparison), *more]
    return [headline(comparison.difference), *(f"{name:<15}{text}" for name, text in facts)]


def list_facts(comparison: Comparison) -> list[tuple[str, str]]:
    """Return what there is to say beside the verdict: names, and texts; a name may be empty."""
    difference = comparison.difference
    low, high = difference.interval()
    board_low, board_high = difference.leaderboard_interval(comparison.num_test)
    p, evidence = difference.p_value(), difference.evidence
    odds = f"{evidence:.1f}" if evidence < 10 else f"{evidence:,.0f}"
    if evidence >= 1e6:
        odds = "more than a million"
    if difference.luck is None:
        seeds, test = "", "McNemar test"
        luck = (
            "one seed each, so it is not in these figures: they are about these networks, and "
            "other seeds will differ a little"
        )
    else:
        seeds, test = ", mean over the seeds", "t test"
        luck = (
            f"±{difference.luck**0.5:.4f} for one network beyond the images' chance, in all these "
            "figures"
        )
    facts = [
        ("changed", "; ".join(comparison.changes) or "nothing but the seed"),
        *_accuracies("A", comparison, comparison.a),
        *_accuracies("B", comparison, comparison.b),
        ("only A right", _images(difference.only_a) + seeds),
        ("only B right", _images(difference.only_b) + seeds),
        ("difference", f"{difference.value:+.4f} (95 % {low:+.4f} to {high:+.4f})"),
        (
            "leaderboard",
            f"{difference.value:+.4f} expected on {comparison.num_test:,} images "
            f"(95 % {board_low:+.4f} to {board_high:+.4f})",
        ),
        (test, f"p = {f'{p:.2g}' if p >= 0.0001 else 'less than 0.0001'}, if looked at once"),
        ("evidence", f"{odds} to 1; from {DECISIVE:g} on it decides, however often you look"),
        ("training luck", luck),
    ]
    if difference.verdict == "cannot tell":
        facts.append(("to settle it", what_would_settle(comparison)))
    return facts


def headline(difference: Difference) -> str:
    """Return the verdict as one sentence."""
    lead = abs(difference.only_b - difference.only_a)
    more = "more" if difference.value > 0 else "fewer"
    found = f"B got {_count(lead)} {more} of {difference.num_images:,} images right"
    if difference.verdict != "cannot tell":
        return f"{difference.verdict}: {found}"
    if round(lead, 3) == 0:
        return f"cannot tell: A and B got equally many of {difference.num_images:,} images right"
    p = difference.p_value()
    often = f"{100 * p:.0f}" if p >= 0.01 else "less than 1"
    if p > 0.05:
        return (
            f"cannot tell: {found}; between equals, chance does that in {often} of 100 comparisons"
        )
    return (
        f"cannot tell yet: {found}; chance does that to equals only {often} times in 100, but "
        "sooner or later if one looks often"
    )


def what_would_settle(comparison: Comparison) -> str:
    """Return what would probably (80 %) lead to a verdict, if the difference stays as it is."""
    difference = comparison.difference
    further = further_decisive_images(*difference.evidence_counts)
    num_images = difference.num_images
    num_left = comparison.num_train - num_images
    if further is None:
        low, high = difference.interval()
        return (
            "no realistic number of images or seeds: if there is a difference, it is small "
            f"(between {low:+.4f} and {high:+.4f})"
        )
    needed = further * num_images / sum(difference.evidence_counts)
    if needed <= num_left:
        per_training = num_images / len(set(comparison.b.trainings.tolist()))
        num_folds = math.ceil(needed / per_training)
        folds = "one more fold" if num_folds == 1 else f"{num_folds} more folds"
        return f"about {_about(needed)} more images: {folds} of both, at this difference"
    # Seeds lessen what the networks err by chance, not what the images themselves contribute:
    # so many are needed if it is all chance, and more if not.
    times = (num_images + needed) / comparison.num_train
    num_seeds = math.ceil(times * min(difference.num_seeds))
    if num_seeds > _MOST_SEEDS:
        return (
            f"no realistic amount: about {_about(needed)} more images at this difference, "
            f"of which the training set has {num_left:,}"
        )
    further_seeds = num_seeds - min(difference.num_seeds)
    seeds = "one more seed" if further_seeds == 1 else f"{further_seeds} more seeds"
    folds = "all folds and " if num_left else ""
    return f"{folds}at least {seeds} of both, at this difference"


def _accuracies(name: str, comparison: Comparison, side: Side) -> list[tuple[str, str]]:
    """A line for each run of a side."""
    width = max(len(run) for run in [*comparison.a.runs, *comparison.b.runs])
    accuracies = [count_correct(probs, comparison.labels) for probs in side.probs]
    return [
        (name if number == 0 else "", f"{run:<{width}}  {accuracies[number]}")
        for number, run in enumerate(side.runs)
    ]


def _count(number: float) -> str:
    """A number of images, which over several seeds may be a fraction."""
    return f"{number:,.0f}" if math.isclose(number, round(number)) else f"{number:,.1f}"


def _images(number: float) -> str:
    return "1 image" if number == 1 else f"{_count(number)} images"


def _about(number: float) -> str:
    """A number to two digits, rounded up."""
    step: int = 10 ** max(0, len(str(math.ceil(number))) - 2)
    return f"{math.ceil(number / step) * step:,}"
