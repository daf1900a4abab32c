"""The share of the machine that a training uses: operations counted, rates paired."""

import multiprocessing

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pipeline.bench.figures import Conditions, Series
from pipeline.bench.throughput import (
    Convolution,
    ConvolutionFigures,
    ThroughputFigures,
    TrainingFigures,
    measure_throughput,
    throughput_table,
    training_flops,
)
from pipeline.networks import MODELS, create_model
from pipeline.settings.presets import resolve
from pipeline.training.device import choose_device
from tests import tiny
from tests.bench.printing import printed

CPU = choose_device("cpu", "float32")


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


def test_the_share_pairs_rounds_with_the_fastest_convolution():
    figures = ThroughputFigures(
        conditions=Conditions.of(CPU),
        convolutions=(
            ConvolutionFigures(name="slow", flops_per_s=Series(values=(90.0, 300.0, 90.0))),
            ConvolutionFigures(name="fast", flops_per_s=Series(values=(100.0, 200.0, 100.0))),
        ),
        trainings=(
            TrainingFigures(
                name="a",
                recipe="none",
                batch_size=8,
                flops_per_image=10,
                images_per_s=Series(values=(5.0, 5.0, 4.0)),
            ),
        ),
    )
    assert figures.yardstick.name == "fast"
    assert figures.share(figures.trainings[0]).values == pytest.approx((0.5, 0.25, 0.4))
    assert "40.0% ±31%" in printed(throughput_table(figures))


def test_every_network_and_preset_is_measured(tiny_workspace):
    spec = tiny.spec(tiny_workspace, augment="affine", batch_size=8)
    reporter = tiny.Lines()
    settings = resolve("standard", {"batch_size": 8})
    figures = measure_throughput(
        {"mine": spec},
        settings,
        tiny.COMPETITION,
        CPU,
        reporter,
        num_rounds=1,
        seconds=0.01,
        convolutions=(Convolution(4, 16, 14, 3), Convolution(4, 8, 14, 5)),
    )
    assert [each.name for each in figures.trainings] == [*MODELS, "preset mine"]
    assert figures.trainings[-1].recipe == "affine"
    assert reporter.advanced == 2 * (2 + len(figures.trainings))
    for each in figures.trainings:
        assert each.images_per_s.median > 0
    assert {each.name for each in figures.convolutions} == {
        "16→16 3×3, 4×14×14",
        "8→8 5×5, 4×14×14",
    }
    assert all(each.flops_per_s.median > 1e6 for each in figures.convolutions)


@pytest.mark.slow
def test_a_preset_is_measured_several_times_at_once(tiny_workspace, monkeypatch):
    monkeypatch.setattr("pipeline.bench.throughput.num_at_once", lambda device: 2)
    figures = measure_throughput(
        {"mine": tiny.spec(tiny_workspace, batch_size=8)},
        resolve("standard", {"batch_size": 8}),
        tiny.COMPETITION,
        CPU,
        tiny.Lines(),
        num_rounds=2,
        seconds=0.01,
        convolutions=(Convolution(4, 8, 14, 3),),
    )
    *_, alone, together = figures.trainings
    assert (alone.name, together.name) == ("preset mine", "preset mine ×2")
    assert together.flops_per_image == alone.flops_per_image
    assert min(together.images_per_s.values) > 0
    for process in multiprocessing.active_children():
        process.join(timeout=30)
    assert not multiprocessing.active_children()


def test_a_convolutions_operations_are_those_that_run():
    convolution = Convolution(4, 6, 10, 3)
    images = torch.randn(4, 6, 10, 10, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        nn.Conv2d(6, 6, 3, padding=1, bias=False)(images).sum().backward()
    assert convolution.flops == counter.get_total_flops()
