"""`make models` lists what is in the registry, and its rates are of real work."""

import time

import pytest
import torch

from pipeline.bench.figures import show_spread
from pipeline.bench.rates import Measure, alone, interleave, training_rate
from pipeline.commands.models import measure_networks, networks_table, prediction_rate
from pipeline.networks import MODELS, create_model
from pipeline.networks.reference import PlainCNN
from pipeline.training.device import choose_device
from tests import tiny
from tests.bench.printing import printed

CPU = choose_device("cpu", "float32")


@pytest.fixture
def spec(tiny_workspace):
    return tiny.spec(tiny_workspace, precision="float32", batch_size=8, predict_batch_size=16)


def test_every_network_has_its_row_with_its_size_and_its_speed(spec):
    reporter = tiny.Lines()
    found = measure_networks(spec, reporter, num_rounds=1, seconds=0.01)
    works = [(each.what["network"], each.what["work"]) for each in found.figures]
    assert works == [(name, work) for name in MODELS for work in ("train", "predict")]
    assert reporter.advanced == 2 * 2 * len(MODELS), "the bar comes to its end"
    assert all(len(each.values) == 1 and each.median > 0 for each in found.figures)

    text = printed(networks_table(found, spec.settings))
    assert "CPU, float32" in text
    assert "batches of 8" in text
    assert "batches of 16" in " ".join(text.split()), "its place is that of a line break"
    rows = {words[0]: words for words in map(str.split, text.splitlines()) if words}
    assert rows["plain_cnn"][:5] == ["plain_cnn", "28,938", "2.86", "M", "none"]
    assert rows["dropout_cnn"][:5] == ["dropout_cnn", "340,138", "14.21", "M", "yes"]
    for name in MODELS:
        model = create_model(name, (1, 28, 28), 10, 0.1)
        assert rows[name][1] == f"{sum(p.numel() for p in model.parameters()):,}"


class Counting(PlainCNN):
    """Remembers how many images it saw, in training and in prediction; a batch takes 20 ms."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.seen = {True: 0, False: 0}
        created.append(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen[self.training] += len(images)
        time.sleep(0.02)
        return super().forward(images)


created: list[Counting] = []


@pytest.mark.parametrize("training", [True, False])
def test_a_rate_is_the_images_a_network_saw_by_the_time_that_passed(monkeypatch, spec, training):
    monkeypatch.setitem(MODELS, "dropout_cnn", Counting)
    measure = (training_rate if training else prediction_rate)(alone(spec, "dropout_cnn"), 0.2)
    measure()
    created[-1].seen = {True: 0, False: 0}
    start = time.perf_counter()
    rate = measure()
    elapsed = time.perf_counter() - start
    seen = created[-1].seen[training]
    assert seen > 0
    assert 0.9 * seen / elapsed <= rate <= seen / 0.2


def test_interleaving_takes_turns_and_drops_the_first_round():
    calls = []

    def measure(name: str) -> Measure:
        def run() -> float:
            calls.append(name)
            return len(calls)

        return Measure({"name": name}, "calls", run, {"size": 3})

    bar = tiny.Lines()
    found = interleave([measure("a"), measure("b")], 2, CPU, "", bar)
    assert calls == ["a", "b"] * 3
    assert [(each.what, each.values) for each in found.figures] == [
        ({"name": "a"}, (3, 5)),
        ({"name": "b"}, (4, 6)),
    ]
    assert {each.facts["size"] for each in found.figures} == {3}
    assert bar.advanced == 6
    assert found.conditions == "CPU, float32, 1 CPU thread"


@pytest.mark.parametrize(
    ("values", "text"), [((1000.0, 2000.0, 1500.0), "1,500 ±33%"), ((3.0,), "3 ±0%")]
)
def test_a_series_shows_its_median_and_half_its_range(values, text):
    assert show_spread(values) == text
