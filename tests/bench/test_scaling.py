"""Growth is fitted per round, on times that were really taken."""

import pytest

from pipeline.bench import scaling
from pipeline.bench.figures import Conditions, Series
from pipeline.bench.scaling import Growth, ScalingFigures, measure_scaling, scaling_table
from pipeline.training.device import choose_device
from pipeline.training.inference import predict_run
from tests import tiny
from tests.bench.printing import printed

CPU = choose_device("cpu", "float32")


def test_the_exponent_is_that_of_the_power_law():
    growth = Growth(
        what="networks",
        sizes=(1, 2, 5, 10),
        seconds=tuple(Series(values=(3.0 * n, 2.0 * n**2, 5.0)) for n in (1, 2, 5, 10)),
    )
    assert growth.exponent().values == pytest.approx((1, 2, 0), abs=1e-9)
    figures = ScalingFigures(conditions=Conditions.of(CPU), growths=(growth,))
    assert "1.00 ±100%" in printed(scaling_table(figures))


def test_networks_and_data_are_measured_at_every_size(tiny_workspace, monkeypatch):
    predicted = []

    def counting(name, settings, workspace, reporter):
        predicted.append(len(workspace.run(name).finished_folds()))
        assert not workspace.run(name).test_probs.exists()
        return predict_run(name, settings, workspace, reporter)

    monkeypatch.setattr(scaling, "predict_run", counting)
    spec = tiny.spec(tiny_workspace, model="plain_cnn", augment="affine", precision="float32")
    reporter = tiny.Lines()
    figures = measure_scaling(
        spec,
        tiny.COMPETITION,
        CPU,
        reporter,
        num_rounds=1,
        num_networks=(1, 3),
        num_images=120,
        data_sizes=(160, 1_600),
        num_steps=4,
    )
    assert [growth.sizes for growth in figures.growths] == [(1, 3), (1, 3), (160, 1_600)]
    assert reporter.advanced == 2 * 6
    assert predicted == [1, 3, 1, 3], "two rounds, the first warms up"
    assert all(series.median > 0 for growth in figures.growths for series in growth.seconds)
    small, large = (series.median for series in figures.growths[-1].seconds)
    assert small < large
    assert "images of an epoch" in printed(scaling_table(figures))
