"""What further images would bring: how many would decide, and whether they are likely to."""

import numpy as np

from pipeline.comparison.evidence import PRIOR, lead_that_decides

POWER = 0.8
"""The chance of a decision that "so many more images" is meant to give."""

_MOST_DECISIVE = 20_000
"""Beyond so many further decisive images nobody goes: at 1 in 200 they are four million images."""


def further_decisive_images(only_a: float, only_b: float) -> int | None:
    """Return how many more decisive images would probably decide, if they go on as they did.

    The least number after which the evidence, counted with the images there are, decides with
    probability `POWER`: conditional power at the observed split.

    Args:
        only_a: Decisive images that A got right.
        only_b: Those that B got right.

    Returns:
        The number, rounded up to about a tenth; None if there is no realistic one.
    """
    if only_a == only_b:
        return None
    number = 1
    while number <= _MOST_DECISIVE:
        if _chance_at(max(only_a, only_b) / (only_a + only_b), only_a, only_b, number) >= POWER:
            return number
        number += max(1, number // 16)
    return None


def _chance_at(share: float, only_a: float, only_b: float, further: int) -> float:
    """The chance that the side that leads has enough evidence after `further` images."""
    from scipy.stats import binom

    ahead, behind = max(only_a, only_b), min(only_a, only_b)
    lead = lead_that_decides(ahead + behind + further)
    needed = np.ceil((lead - (ahead - behind) + further) / 2 - 1e-6)
    return float(binom.sf(needed - 1, further, share)) if np.isfinite(needed) else 0.0


def chance_of_decision(only_a: float, only_b: float, further: int) -> float:
    """Return the chance that `further` more decisive images decide, either way.

    Predictive power (Spiegelhalter, Freedman and Blackburn, Controlled Clinical Trials 7 (1986),
    8-17): averaged over what B's share of the decisive images may be, given those there are and
    the prior that the evidence uses. To give up where it is small raises no false alarm.

    Args:
        only_a: Decisive images that A got right.
        only_b: Those that B got right.
        further: Decisive images to come, at least 0.
    """
    from scipy.stats import betabinom

    lead = lead_that_decides(only_a + only_b + further)
    if not np.isfinite(lead):
        return 0.0
    of_b = np.arange(further + 1)
    chances = betabinom.pmf(of_b, further, PRIOR + only_b, PRIOR + only_a)
    decided = np.abs(only_b - only_a + 2 * of_b - further) >= lead - 1e-6
    return float(chances[decided].sum())
