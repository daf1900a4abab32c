"""The share of the machine that a training uses: operations counted, rates paired."""

import multiprocessing

import pytest
from torch import nn

from pipeline.bench.figures import Figure, Figures
from pipeline.bench.throughput import (
    convolution_measure,
    measure_throughput,
    share,
    throughput_table,
    training_flops,
    training_rate_at_once,
)
from pipeline.errors import UserError
from pipeline.networks import MODELS, create_model
from pipeline.training.device import choose_device
from tests import tiny
from tests.bench.printing import printed


def test_operations_are_those_of_the_layers():
    """Two per multiply-add; forward, weights' gradient and, but for the first, inputs' gradient."""
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 10)
    )
    first, second = 6 * 6 * 4 * 9, 4 * 6 * 6 * 10
    assert training_flops(model, (1, 8, 8)) == 2 * (2 * first + 3 * second)


def test_operations_of_the_notebooks_network_are_three_times_its_prediction_but_for_one_layer():
    model = create_model("dropout_cnn", (1, 28, 28), 10, 0.1)
    weights = [2 * 8 * 8 * 128 * 64 * 25, 2 * 2048 * 64, 2 * 64 * 32, 2 * 32 * 10]
    assert training_flops(model, (1, 28, 28)) == 2 * 2 * 24 * 24 * 64 * 25 + 3 * sum(weights)


def test_a_convolution_is_measured_by_the_operations_that_run(monkeypatch):
    calls = []

    def calls_per_s(step, seconds: float) -> float:
        step()
        calls.append(seconds)
        return 5.0

    monkeypatch.setattr("pipeline.bench.throughput.calls_per_s", calls_per_s)
    measure = convolution_measure((4, 6, 10, 3), choose_device("cpu", "float32"), 0.01)
    output_and_both_gradients = 3 * 2 * 4 * (6 * 10 * 3) ** 2
    assert measure.run() == 5 * output_and_both_gradients
    assert (measure.what, calls) == ({"convolution": "6→6 3×3, 4×10×10"}, [0.01])


def test_the_share_pairs_rounds_with_the_fastest_convolution():
    def convolution(name: str, *values: float) -> Figure:
        return Figure(what={"convolution": name}, unit="FLOP/s", values=values)

    training = Figure(
        what={"training": "a", "recipe": "none"},
        unit="images/s",
        values=(5.0, 5.0, 4.0),
        facts={"batch_size": 8, "flops_per_image": 10},
    )
    slow, fast = convolution("slow", 90.0, 300.0, 90.0), convolution("fast", 100.0, 200.0, 100.0)
    found = Figures(device="CPU, float32", figures=(slow, fast, training))
    assert share(training, fast) == pytest.approx((0.5, 0.25, 0.4))
    text = printed(throughput_table(found))
    assert "(fast: " in " ".join(text.split())
    assert "40.0% ±31%" in text


def test_every_network_and_the_preset_is_measured(tiny_workspace, monkeypatch):
    monkeypatch.setattr("pipeline.bench.throughput.num_at_once", lambda device: 1)
    reporter = tiny.Lines()
    found = measure_throughput(
        tiny.spec(tiny_workspace, augment="affine", batch_size=8, precision="float32"),
        reporter,
        num_rounds=1,
        seconds=0.01,
        convolutions=((4, 16, 14, 3), (4, 8, 14, 5)),
    )
    convolutions, trainings = found.figures[:2], found.figures[2:]
    assert [each.what["training"] for each in trainings] == [*MODELS, "preset standard"]
    assert [each.what["recipe"] for each in trainings] == [*["none"] * len(MODELS), "affine"]
    assert reporter.advanced == 2 * len(found.figures)
    assert all(each.unit == "images/s" and each.median > 0 for each in trainings)
    names = [each.what["convolution"] for each in convolutions]
    assert names == ["16→16 3×3, 4×14×14", "8→8 5×5, 4×14×14"]
    assert all(each.unit == "FLOP/s" and each.median > 1e6 for each in convolutions)


@pytest.mark.slow
def test_a_preset_is_measured_several_times_at_once(tiny_workspace, monkeypatch):
    monkeypatch.setattr("pipeline.bench.throughput.num_at_once", lambda device: 2)
    found = measure_throughput(
        tiny.spec(tiny_workspace, batch_size=8, precision="float32"),
        tiny.Lines(),
        num_rounds=2,
        seconds=0.01,
        convolutions=((4, 8, 14, 3),),
    )
    *_, once, together = found.figures
    names = (once.what["training"], together.what["training"])
    assert names == ("preset standard", "preset standard ×2")
    assert together.facts == once.facts
    assert min(together.values) > 0
    for process in multiprocessing.active_children():
        process.join(timeout=30)
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_benchmark_in_a_sentence(tiny_workspace):
    spec = tiny.spec(tiny_workspace, batch_size=8, precision="float32")
    with training_rate_at_once(spec, 0.01, 2) as rate:
        assert rate() > 0
        multiprocessing.active_children()[0].kill()
        with pytest.raises(UserError, match="process of the benchmark was ended by SIGKILL"):
            rate()
