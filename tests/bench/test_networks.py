"""`make models` lists what is in the registry, and its rates are of real work."""

import time

import albumentations as A
import pytest
import torch

from pipeline.augment.registry import serialise
from pipeline.bench.figures import Series
from pipeline.bench.networks import measure_networks, networks_table
from pipeline.bench.rates import PredictionRate, TrainingRate, interleave
from pipeline.networks import MODELS, create_model
from pipeline.networks.reference import PlainCNN
from pipeline.settings.presets import resolve
from pipeline.training.device import choose_device
from tests import tiny
from tests.bench.printing import printed

SETTINGS = resolve("standard", {"model": "dropout_cnn", "batch_size": 8, "predict_batch_size": 16})
CPU = choose_device("cpu", "float32")


def test_every_network_has_its_row_with_its_size_and_its_speed():
    reporter = tiny.Lines()
    figures = measure_networks(
        SETTINGS, tiny.COMPETITION, CPU, reporter, num_rounds=1, seconds=0.01
    )
    assert [network.name for network in figures.networks] == list(MODELS)
    assert reporter.advanced == 2 * 2 * len(MODELS), "the bar comes to its end"
    for network in figures.networks:
        model = create_model(network.name, (1, 28, 28), 10, 0.1)
        assert network.num_parameters == sum(p.numel() for p in model.parameters())
        assert network.mult_adds > network.num_parameters / 10
        assert len(network.train_images_per_s.values) == 1
        assert min(network.train_images_per_s.values + network.predict_images_per_s.values) > 0

    text = printed(networks_table(figures))
    assert "CPU, float32" in text
    assert "batches of 8" in text
    assert "batches of 16" in text
    (row,) = [line.split() for line in text.splitlines() if "plain_cnn" in line]
    assert row[:5] == ["plain_cnn", "28,938", "2.86", "M", "none"]
    (row,) = [line.split() for line in text.splitlines() if "dropout_cnn" in line]
    assert row[:5] == ["dropout_cnn", "340,138", "14.21", "M", "yes"]


class Counting(PlainCNN):
    """Remembers how many images it saw, in training and in prediction."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.seen = {True: 0, False: 0}
        created.append(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen[self.training] += len(images)
        return super().forward(images)


created: list[Counting] = []


@pytest.mark.parametrize("training", [True, False])
def test_a_rate_is_the_images_a_network_saw_by_the_time_that_passed(monkeypatch, training):
    monkeypatch.setitem(MODELS, "dropout_cnn", Counting)
    recipe = serialise(A.Compose([]), "none")
    if training:
        measure = TrainingRate(SETTINGS, recipe, CPU, tiny.COMPETITION, seconds=0.2)
    else:
        measure = PredictionRate(SETTINGS, CPU, tiny.COMPETITION, seconds=0.2)
    measure()
    created[-1].seen = {True: 0, False: 0}
    start = time.perf_counter()
    rate = measure()
    elapsed = time.perf_counter() - start
    seen = created[-1].seen[training]
    assert seen > 0
    assert seen / elapsed <= rate <= seen / 0.2


def test_interleaving_takes_turns_and_drops_the_first_round():
    calls = []

    def measure(name: str) -> float:
        calls.append(name)
        return len(calls)

    bar = tiny.Lines()
    found = interleave({"a": lambda: measure("a"), "b": lambda: measure("b")}, 2, bar)
    assert calls == ["a", "b"] * 3
    assert found == {"a": Series(values=(3, 5)), "b": Series(values=(4, 6))}
    assert bar.advanced == 6


@pytest.mark.parametrize(
    ("values", "text"), [((1000.0, 2000.0, 1500.0), "1,500 ±33%"), ((3.0,), "3 ±0%")]
)
def test_a_series_shows_its_median_and_half_its_range(values, text):
    assert Series(values=values).show() == text
