"""Evidence may be looked at at any time, and says what further images would bring."""

import numpy as np
import pytest
from scipy.stats import binom

from pipeline.judging.evidence import (
    DECISIVE,
    PRIOR,
    chance_of_decision,
    further_decisive_images,
    lead_that_decides,
    log_evidence,
)
from tests.comparison.simulation import allowance


def test_a_value_worked_out_by_hand():
    # 2³ · B(3 + 3, 3) / B(3, 3) = 8 · (5! 2! / 8!) / (2! 2! / 5!) = 10 / 7.
    assert np.exp(log_evidence(0, 3)) == pytest.approx(10 / 7)
    assert log_evidence(0, 0) == 0


def test_it_is_a_martingale_if_the_sides_are_equal():
    a, b = np.mgrid[0:60, 0:60]
    after_one_more = (np.exp(log_evidence(a + 1, b)) + np.exp(log_evidence(a, b + 1))) / 2
    np.testing.assert_allclose(after_one_more, np.exp(log_evidence(a, b)), rtol=1e-9)


@pytest.fixture(scope="module")
def of_b() -> np.ndarray:
    """Decisive images of B after 1, 2, ... 1,000, in 2,000 comparisons of equal sides."""
    coins = np.random.default_rng(0).integers(0, 2, (2_000, 1_000), dtype=np.int16)
    return coins.cumsum(axis=1)


def test_equals_are_told_apart_in_at_most_5_of_100_comparisons_however_often_one_looks(of_b):
    decisive = np.arange(1, of_b.shape[1] + 1)
    ever = (log_evidence(decisive - of_b, of_b) >= np.log(DECISIVE)).any(axis=1).mean()
    assert ever < 1 / DECISIVE + allowance(1 / DECISIVE, len(of_b))
    assert ever > 0.01, "it is not so careful that it never speaks"


def test_mcnemars_test_would_tell_a_third_of_equals_apart(of_b):
    """What the evidence is for: the same comparisons, looked at after every 25th image."""
    ever = np.zeros(len(of_b), dtype=bool)
    for number in range(25, 1_001, 25):
        ever |= 2 * binom.cdf(np.minimum(of_b, number - of_b)[:, number - 1], number, 0.5) <= 0.05
    assert ever.mean() > 0.25


@pytest.mark.parametrize("num_decisive", [10, 25, 90, 250, 999])
def test_the_lead_that_decides_is_where_the_evidence_does(num_decisive):
    lead = lead_that_decides(num_decisive)
    for more, decided in ((1e-3, True), (-1e-3, False)):
        behind = (num_decisive - lead - more) / 2
        assert (log_evidence(behind, num_decisive - behind) >= np.log(DECISIVE)) == decided
    assert lead_that_decides(9) == np.inf, "nine images, all on one side, are too few"


@pytest.mark.parametrize(("only_a", "only_b"), [(9, 15), (15, 9), (5, 15), (60, 80)])
def test_so_many_more_images_decide_with_a_chance_of_80_in_100(only_a, only_b):
    further = further_decisive_images(only_a, only_b)
    rng = np.random.default_rng(1)
    of_b = rng.binomial(further, only_b / (only_a + only_b), 20_000)
    evidence = log_evidence(only_a + further - of_b, only_b + of_b)
    assert 0.79 < (evidence >= np.log(DECISIVE)).mean() < 0.87


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (12, 12), (1_000, 1_003)])
def test_no_realistic_number_of_images_decides_between_near_equals(only_a, only_b):
    assert further_decisive_images(only_a, only_b) is None


@pytest.mark.parametrize(
    ("only_a", "only_b", "further"), [(12, 12, 100), (5, 15, 60), (0, 0, 8), (15, 9, 200)]
)
def test_the_chance_of_a_decision_is_averaged_over_what_may_be_true(only_a, only_b, further):
    rng = np.random.default_rng(2)
    share = rng.beta(PRIOR + only_b, PRIOR + only_a, 40_000)
    of_b = rng.binomial(further, share)
    decided = log_evidence(only_a + further - of_b, only_b + of_b) >= np.log(DECISIVE)
    chance = chance_of_decision(only_a, only_b, further)
    assert abs(chance - decided.mean()) <= allowance(max(chance, 0.001), 40_000)


def test_what_is_decided_stays_so_if_no_image_comes():
    assert chance_of_decision(3, 25, 0) == 1
    assert chance_of_decision(9, 15, 0) == 0
