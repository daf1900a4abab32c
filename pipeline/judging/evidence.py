"""Evidence that may be looked at as often as one likes."""

import functools

import numpy as np
import numpy.typing as npt

DECISIVE = 20.0
"""Evidence from which on the verdict is not "cannot tell": false alarms at most 1 in 20."""

PRIOR = 3.0
"""Both parameters of the beta prior on B's share of the decisive images.

Before any image is seen, that share is expected at 0.5, with a standard deviation of 0.19. With 15
to 250 decisive images, one side must then lead by 2.97 to 3.16 standard deviations; 2 and 5 move
that by no more than 0.25. Ten decisive images, all on one side, are the fewest that decide.
"""


def log_evidence(only_a: npt.ArrayLike, only_b: npt.ArrayLike) -> npt.NDArray[np.float64]:
    r"""Return the logarithm of the evidence that A and B differ, element by element.

    An image is decisive if only one side is right; the counts, of one shape, are 0 or more, and may
    be fractions: see `Difference`. If A and B are equally good, each decisive image is B's with
    probability 1/2. The evidence is how much better the decisive images were
    predicted by a player who did not believe that: the likelihood of their split with B's share
    p ~ Beta(`PRIOR`, `PRIOR`), divided by the likelihood with p = 1/2.

    If A and B are equal, this quotient is a martingale that starts at 1, in whatever order the
    images come. By Ville's inequality it *ever* reaches 20 with probability at most 1/20,
    however often one looks and whatever makes one stop or go on. That is Robbins' mixture
    (Annals of Mathematical Statistics 41, 1970, 1397-1409), today's e-value (Grünwald, de Heide
    and Koolen, Safe testing, JRSS B 86, 2024) and confidence sequence (Howard et al., Annals of
    Statistics 49, 2021). It needs no record of the looks that were taken.
    """
    from scipy.special import betaln

    a, b = np.asarray(only_a, np.float64), np.asarray(only_b, np.float64)
    log: npt.NDArray[np.float64] = (
        betaln(PRIOR + a, PRIOR + b) - betaln(PRIOR, PRIOR) + (a + b) * np.log(2)
    )
    return log


@functools.lru_cache(maxsize=4096)
def lead_that_decides(num_decisive: float) -> float:
    """Return by how many of the decisive images one side must lead for decisive evidence.

    Infinite if even all of them on one side are too few.
    """
    from scipy.optimize import brentq

    def missing(lead: float) -> float:
        ahead, behind = (num_decisive + lead) / 2, (num_decisive - lead) / 2
        return float(log_evidence(ahead, behind)) - float(np.log(DECISIVE))

    if missing(num_decisive) < 0:
        return float("inf")
    return float(brentq(missing, 0.0, num_decisive, xtol=1e-6))


POWER = 0.8
"""The chance of a decision that "so many more images" is meant to give."""

_MOST_DECISIVE = 20_000
"""Beyond so many further decisive images nobody goes: at 1 in 200 they are four million images."""


def further_decisive_images(only_a: float, only_b: float) -> int | None:
    """Return how many more decisive images would probably decide, if they go on as they did.

    The least number, rounded up to about a tenth, after which the evidence, counted with the
    decisive images there are, decides with probability `POWER`: conditional power at the observed
    split. None if there is no realistic one.
    """
    from scipy.stats import binom

    behind, ahead = sorted((only_a, only_b))
    if behind == ahead:
        return None
    number = 1
    while number <= _MOST_DECISIVE:
        lead = lead_that_decides(ahead + behind + number)
        needed = np.ceil((lead - (ahead - behind) + number) / 2 - 1e-6)
        if binom.sf(needed - 1, number, ahead / (ahead + behind)) >= POWER:
            return number
        number += max(1, number // 16)
    return None


def chance_of_decision(only_a: float, only_b: float, further: int) -> float:
    """Return the chance that `further` more decisive images, at least 0, decide either way.

    Predictive power (Spiegelhalter, Freedman and Blackburn, Controlled Clinical Trials 7 (1986),
    8-17): averaged over what B's share of the decisive images may be, given those there are and
    the prior that the evidence uses. To give up where it is small raises no false alarm.
    """
    from scipy.stats import betabinom

    lead = lead_that_decides(only_a + only_b + further)
    if not np.isfinite(lead):
        return 0.0
    of_b = np.arange(further + 1)
    chances = betabinom.pmf(of_b, further, PRIOR + only_b, PRIOR + only_a)
    decided = np.abs(only_b - only_a + 2 * of_b - further) >= lead - 1e-6
    return float(chances[decided].sum())
