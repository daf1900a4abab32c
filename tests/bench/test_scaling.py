"""Growth is fitted per round, on times that were really taken."""

import pytest

from pipeline.bench import scaling
from pipeline.bench.figures import Figure, Figures
from pipeline.bench.scaling import exponents, measure_scaling, scaling_table
from pipeline.training.inference import predict_run
from tests import tiny
from tests.bench.printing import printed


def test_the_exponent_is_that_of_the_power_law():
    growth = tuple(
        Figure(
            what={"what": "networks"},
            unit="s",
            values=(3.0 * n, 2.0 * n**2, 5.0),
            facts={"size": n},
        )
        for n in (1, 2, 5, 10)
    )
    assert exponents(growth) == pytest.approx((1, 2, 0), abs=1e-9)
    text = printed(scaling_table(Figures(device="CPU, float32", figures=growth)))
    assert text.count("1.00 ±100%") == text.count("  networks  ") == 1, "said once"


def test_networks_and_data_are_measured_at_every_size(tiny_workspace, monkeypatch):
    predicted = []

    def counting(name, settings, workspace, reporter):
        predicted.append(len(workspace.run(name).finished_folds()))
        assert not workspace.run(name).test_probs.exists()
        return predict_run(name, settings, workspace, reporter)

    monkeypatch.setattr(scaling, "predict_run", counting)
    spec = tiny.spec(tiny_workspace, model="plain_cnn", augment="affine", precision="float32")
    reporter = tiny.Lines()
    found = measure_scaling(
        spec,
        reporter,
        num_rounds=1,
        num_networks=(1, 3),
        num_images=120,
        data_sizes=(160, 1_600),
        num_steps=4,
    )
    assert [each.facts["size"] for each in found.figures] == [1, 3, 1, 3, 160, 1_600]
    assert reporter.advanced == 2 * 6
    assert predicted == [1, 3, 1, 3], "two rounds, the first warms up"
    assert all(each.median > 0 for each in found.figures)
    *_, small, large = (each.median for each in found.figures)
    assert small < large
    text = printed(scaling_table(found))
    assert "networks, trained on 108 images each" in text
    assert "networks, predicting 120 images" in text
    assert "images of an epoch" in text
