"""Accuracies come with intervals that cover."""

import numpy as np
import pytest

from pipeline.runs.scoring import Accuracy, count_correct


def test_counting():
    probs = np.array([[0.1, 0.9], [0.8, 0.2], [0.4, 0.6]], np.float32)
    assert count_correct(probs, np.array([1, 0, 0])) == Accuracy(2, 3)


def test_wilson_interval_against_published_values():
    # Newcombe, Statistics in Medicine 17 (1998), table I: 81/263 and 0/20.
    low, high = Accuracy(81, 263).interval()
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    low, high = Accuracy(0, 20).interval()
    assert (round(low, 4), round(high, 4)) == (0.0, 0.1611)


@pytest.mark.parametrize("accuracy", [0.99, 0.997])
def test_the_interval_covers_at_its_rate(accuracy):
    total, repetitions = 4_200, 20_000
    correct = np.random.default_rng(0).binomial(total, accuracy, repetitions)
    covered = {c: _covers(Accuracy(int(c), total), accuracy) for c in np.unique(correct)}
    rate = np.mean([covered[c] for c in correct])
    # A discrete count cannot hit 95 % exactly; Wilson's interval stays near it.
    assert 0.935 < rate < 0.97


def _covers(found: Accuracy, truth: float) -> bool:
    low, high = found.interval()
    return low <= truth <= high


def test_an_accuracy_prints_its_images_and_interval():
    assert str(Accuracy(4_180, 4_200)) == "0.9952 (4,180/4,200, 95 % 0.9927-0.9969)"
