"""The difference of two sides: the figures by hand, and the stated rates by simulation."""

import numpy as np
import pytest
from scipy.stats import binomtest

from pipeline.judging.difference import Outcomes, measure_difference, measure_luck
from pipeline.judging.intervals import paired_interval
from tests.comparison.simulation import Truth, allowance, part


def outcomes(*rows: str, trainings: list[int] | None = None) -> Outcomes:
    """A row of 0 and 1 for each seed."""
    correct = np.array([[digit == "1" for digit in row] for row in rows])
    return Outcomes(correct, np.array(trainings or [0] * correct.shape[1]))


def one_seed_each(only_a: int, only_b: int, total: int = 4_200) -> tuple[Outcomes, Outcomes]:
    correct = np.ones((2, total), dtype=bool)
    correct[1, :only_a] = False
    correct[0, only_a : only_a + only_b] = False
    trainings = np.zeros(total, int)
    return Outcomes(correct[:1], trainings), Outcomes(correct[1:], trainings)


def test_with_one_seed_each_everything_is_counted_and_exact():
    found = measure_difference(*one_seed_each(9, 15))
    assert (found.only_a, found.only_b, found.weight) == (9, 15, 1)
    assert found.value == pytest.approx(6 / 4_200)
    assert found.mean_square == pytest.approx(24 / 4_200)
    assert found.p_value() == binomtest(15, 24).pvalue
    assert found.interval() == paired_interval(15, 9, 4_200)
    assert found.evidence_counts == (9, 15)
    assert found.is_of_single_networks


@pytest.mark.parametrize(
    ("only_a", "only_b", "verdict"),
    [(9, 15, "cannot tell"), (5, 30, "better"), (30, 5, "worse"), (0, 0, "cannot tell")],
)
def test_the_verdict(only_a, only_b, verdict):
    found = measure_difference(*one_seed_each(only_a, only_b))
    assert found.verdict == verdict
    low, high = found.interval()
    assert (low <= 0 <= high) or verdict != "cannot tell"


def test_no_difference_at_all_leaves_an_interval_around_zero():
    found = measure_difference(*one_seed_each(0, 0))
    assert (found.evidence, found.p_value(), found.value) == (1, 1, 0)
    low, high = found.interval()
    assert -0.002 < low < 0 < high < 0.002


def test_luck_worked_out_by_hand():
    # Accuracies 4/4 and 2/4: variance 1/8. Of the images, two vary over the seeds, by 1/2 each:
    # mean 1/4. Luck: 4/3 · (1/8 - 1/4 / 4) = 1/12.
    luck = measure_luck([outcomes("1111", "1100")])
    assert luck.variance == pytest.approx(1 / 12)
    assert (luck.mean_square, luck.dof) == (pytest.approx(1 / 8), 1)
    # Two images that were wrong once each: no luck, only chance. The estimate is below 0.
    assert measure_luck([outcomes("1011", "0111")]).variance == 0
    assert measure_luck([outcomes("1011"), outcomes("0111")]) is None


def test_the_model_worked_out_by_hand():
    a, b = outcomes("1111", "1100"), outcomes("1111", "1111")
    found = measure_difference(a, b)
    assert (found.only_a, found.only_b) == (0, 1), "B leads by half in two images"
    # Pooled over the sides, luck is half of 1/12 = 1/24. Var(mean d) = (1/4 + 1/4) / 4² +
    # 1/24 · (1/2 + 1/2) = 14/192, where its decisive images alone, counted whole, would have
    # 1 / 4² = 12/192.
    assert found.luck == pytest.approx(1 / 24)
    assert found.weight == pytest.approx(12 / 14)
    # The mean square is 1/16 with 2 degrees of freedom: 2 · (14/192 / (1/16))².
    assert found.dof == pytest.approx(2 * (14 / 12) ** 2)
    assert found.mean_square == pytest.approx(1 / 8)


def test_without_luck_seeds_count_like_images():
    rng = np.random.default_rng(0)
    a, b = Truth(trainings=5, seeds=4).draw(rng)
    one = measure_difference(part(a, 5, 1), part(b, 5, 1))
    four = measure_difference(a, b)
    assert four.weight > 1
    widths = [high - low for low, high in (one.interval(), four.interval())]
    assert widths[1] < 0.75 * widths[0]


TRUTHS = [
    Truth(trainings=3, seeds=3),
    Truth(trainings=3, seeds=3, luck=1.0, gain=0.01),
    Truth(trainings=1, seeds=3, luck=1.0),
    Truth(trainings=4, seeds=2, luck=2.0, gain=-0.01),
]


@pytest.mark.parametrize("truth", TRUTHS, ids=str)
def test_the_intervals_cover_with_several_seeds_in_them(truth):
    rng = np.random.default_rng(0)
    repetitions = 400
    covered, foretold = 0, 0
    for _ in range(repetitions):
        networks = truth.train(rng)
        found = measure_difference(*networks.classify(rng))
        low, high = found.interval()
        covered += low <= truth.gain <= high
        a, b = networks.classify(rng)
        low, high = found.leaderboard_interval(a.correct.shape[1])
        foretold += low <= b.correct.mean() - a.correct.mean() <= high
    least = 0.95 - allowance(0.95, repetitions)
    assert covered / repetitions > least
    assert foretold / repetitions > least


def test_one_seed_each_says_nothing_of_other_seeds():
    """Why `is_of_single_networks` is printed: luck as large as the images' chance is not in it."""
    rng = np.random.default_rng(0)
    truth = Truth(trainings=1, seeds=1, luck=2.0)
    found = [measure_difference(*truth.draw(rng)).interval() for _ in range(300)]
    assert np.mean([low <= 0 <= high for low, high in found]) < 0.9


@pytest.mark.parametrize("luck", [0.0, 0.8])
def test_equals_are_told_apart_in_at_most_5_of_100_searches_over_folds_and_seeds(luck):
    """A look after every fold of the first seed, then after every further seed."""
    rng = np.random.default_rng(0)
    truth = Truth(trainings=4, seeds=3, luck=luck)
    repetitions = 200
    alarms = 0
    for _ in range(repetitions):
        a, b = truth.draw(rng)
        looks = [(trainings, 1) for trainings in range(1, 5)] + [(4, 2), (4, 3)]
        alarms += any(
            measure_difference(part(a, *look), part(b, *look)).verdict != "cannot tell"
            for look in looks
        )
    assert alarms / repetitions < 0.05 + allowance(0.05, repetitions)


def test_a_real_gain_is_found():
    rng = np.random.default_rng(0)
    truth = Truth(trainings=10, seeds=2, luck=0.5, gain=0.02)
    verdicts = [measure_difference(*truth.draw(rng)).verdict for _ in range(50)]
    assert verdicts.count("better") >= 40
    assert "worse" not in verdicts
