"""The interval of a paired difference covers where few pairs decide."""

import numpy as np
import pytest
from scipy.stats import multinomial

from pipeline.judging.intervals import paired_interval
from pipeline.runs.scoring import Accuracy


def test_a_value_worked_out_by_hand():
    # 8 and 2 of 100. Wilson: 8/100 in (0.0411, 0.1500), 2/100 in (0.0055, 0.0700). Correlation
    # -√(8/92 · 2/98) = -0.0421. Low: 0.06 - √(0.0389² + 0.05² + 2 · 0.0421 · 0.0389 · 0.05);
    # high: 0.06 + √(0.07² + 0.0145² + 2 · 0.0421 · 0.07 · 0.0145).
    assert paired_interval(8, 2, 100) == pytest.approx((-0.0046, 0.1321), abs=2e-4)


def test_it_is_wilsons_where_only_one_side_is_ever_right_alone():
    low, high = paired_interval(20, 0, 400)
    wilson = Accuracy(20, 400).interval()
    assert high == pytest.approx(wilson[1])
    assert low < wilson[0], "A may yet be right alone"


def test_the_sides_are_alike_and_the_limits_are_those_of_a_share():
    low, high = paired_interval(9, 4, 400)
    assert paired_interval(4, 9, 400) == pytest.approx((-high, -low))
    assert paired_interval(0, 0, 5)[0] == -paired_interval(0, 0, 5)[1] < 0
    assert paired_interval(5, 0, 5)[1] == 1.0


@pytest.mark.parametrize(("total", "most"), [(4_200, 30), (400, 20)])
def test_it_covers_at_its_rate_when_few_pairs_decide(total, most):
    """Exactly: the sum over all outcomes, for expected counts in any proportion."""
    outcomes = np.mgrid[0 : 3 * most, 0 : 3 * most].reshape(2, -1).T
    outcomes = outcomes[outcomes.sum(axis=1) <= total]
    limits = np.array([paired_interval(b, a, total) for a, b in outcomes])
    cells = np.column_stack([outcomes, total - outcomes.sum(axis=1)])
    covered = []
    for only_a in (0.5, 1, 2, 5, 10, most):
        for only_b in (1, 2, 5, 10, most):
            shares = np.array([only_a, only_b, total - only_a - only_b]) / total
            truth = (only_b - only_a) / total
            covers = (limits[:, 0] <= truth + 1e-12) & (truth - 1e-12 <= limits[:, 1])
            covered.append(multinomial.pmf(cells, total, shares)[covers].sum())
    assert min(covered) > 0.949
    assert np.mean(covered) < 0.98, "not merely wide"
