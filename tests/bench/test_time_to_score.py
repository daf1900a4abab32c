"""The presets against the notebook's recipe: what is timed, and when a score counts as reached."""

import time

import pytest
import torch

from pipeline.bench import time_to_score
from pipeline.bench.time_to_score import (
    Curve,
    TimeToScore,
    first_speedup,
    measure_time_to_score,
    notebook_network,
    speedup,
    time_to_score_tables,
    train_notebook,
)
from pipeline.networks import create_model
from pipeline.training.inference import predict_logits
from pipeline.training.run import prepare_training
from tests import tiny
from tests.bench.printing import printed

pytestmark = pytest.mark.machine


def curve(name: str, seconds: tuple[float, ...], correct: tuple[int, ...], seed: int = 0) -> Curve:
    return Curve(name=name, seed=seed, seconds=seconds, correct=correct, total=100)


def figures(*curves: Curve) -> TimeToScore:
    return TimeToScore(device="CPU, float32", competition="practice", curves=curves)


def test_a_preset_is_faster_only_if_it_ends_as_high():
    high = curve("standard", (2.0, 4.0, 5.0), (80, 92, 91))
    equal, low = curve("equal", (8.0,), (90,)), curve("quick", (1.0, 2.0), (95, 89))
    notebook = curve("notebook", (20.0, 40.0), (90, 90))
    assert speedup(high, notebook) == 40 / 5
    assert speedup(equal, notebook) == 40 / 8
    assert speedup(low, notebook) is None, "it was there before, but did not end there"
    assert first_speedup(high, notebook) == 20 / 4, "the notebook was there after one epoch, too"
    assert first_speedup(low, notebook) == 20 / 1
    assert first_speedup(curve("never", (1.0,), (89,)), notebook) is None


def test_the_real_competitions_figures_fit_a_terminal():
    seconds, correct = (1234.5,), (4177,)
    names = ("notebook", "quick", "standard")
    curves = [
        Curve(name=name, seed=12, seconds=seconds, correct=correct, total=4200) for name in names
    ]
    text = printed(time_to_score_tables(figures(*curves)))
    assert "0.9945 (4,177/4,200, 95 % 0.9918-0.9963)        1   1,234" in text


def test_the_tables_count_the_seeds_that_reach_the_score():
    text = printed(
        time_to_score_tables(
            figures(
                *(curve("notebook", (60.0,), (90,)), curve("quick", (6.0,), (91,))),
                *(curve("notebook", (60.0,), (92,), seed=1), curve("quick", (5.0,), (91,), seed=1)),
            )
        )
    )
    assert "0.9100 (91/100, 95 % 0.8377-0.9519)" in text
    (row,) = [line.split() for line in text.splitlines() if "of 2" in line]
    assert row == ["quick", "1", "of", "2", "10.0", "(10.0-10.0)", "10.0", "(10.0-10.0)"]


def test_every_seed_is_trained_in_turn_and_nothing_is_left(tiny_workspace):
    specs = [
        {
            name: tiny.spec(tiny_workspace, name, seed=seed, epochs=epochs, model="plain_cnn")
            for name, epochs in (("quick", 1), ("standard", 2))
        }
        for seed in (0, 5)
    ]
    before = sorted(tiny_workspace.root.rglob("*"))
    reporter, so_far = tiny.Lines(), []
    start = time.perf_counter()
    found = measure_time_to_score(
        specs,
        tiny_workspace,
        reporter,
        on_seed=so_far.append,
        notebook_epochs=2,
    )
    elapsed = time.perf_counter() - start
    assert sorted(tiny_workspace.root.rglob("*")) == before
    assert [(c.name, c.seed, len(c.seconds)) for c in found.curves] == [
        *(("notebook", 0, 2), ("quick", 0, 1), ("standard", 0, 2)),
        *(("notebook", 5, 2), ("quick", 5, 1), ("standard", 5, 2)),
    ]
    assert [len(each.curves) for each in so_far] == [3, 6]
    assert 0 < sum(c.seconds[-1] for c in found.curves) < elapsed
    assert all(c.total == 20 and list(c.seconds) == sorted(c.seconds) for c in found.curves)
    assert len(reporter.lines) == 10, "one for each epoch, with whose it is"
    assert all("valid accuracy" in line and ", seed " in line for line in reporter.lines)
    printed(time_to_score_tables(found))


def test_the_notebooks_network_is_dropout_cnn():
    mine, theirs = (
        create_model("dropout_cnn", (1, 28, 28), 10, 0.0),
        notebook_network(tiny.COMPETITION),
    )
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        b.data.copy_(a.data)
    images = torch.randn(8, 1, 28, 28)
    torch.testing.assert_close(mine.eval()(images), theirs.eval()(images))
    assert [m.p for m in theirs.modules() if isinstance(m, torch.nn.Dropout)] == [0.25] * 4


def test_the_notebooks_recipe_learns_and_its_clock_stands_still_in_validation(
    tiny_workspace, monkeypatch
):
    def slow(*arguments, **options):
        time.sleep(0.1)
        return predict_logits(*arguments, **options)

    monkeypatch.setattr(time_to_score, "predict_logits", slow)
    training = prepare_training(tiny.spec(tiny_workspace), tiny_workspace)
    start = time.perf_counter()
    found = train_notebook(training, tiny.Lines(), num_epochs=10)
    elapsed = time.perf_counter() - start
    assert len(found.correct) == len(found.seconds) == 10
    assert found.total == 20
    assert found.correct[-1] >= 0.8 * 20, "the block patterns are easy"
    assert found.correct[0] < found.correct[-1]
    assert 0 < found.seconds[0] < found.seconds[-1] < elapsed - 10 * 0.1
