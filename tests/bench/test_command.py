"""`make bench` through its command: what runs, what is shown and what is kept."""

import json

import pytest

from pipeline.bench.figures import Figure, Figures
from pipeline.commands.bench import Bench
from pipeline.errors import UserError
from tests import tiny

MEASURES = "augmentation", "throughput", "prediction", "time_to_score"


@pytest.fixture
def measured(monkeypatch) -> list[str]:
    """The names of what is measured, in turn; nothing is, and no table is shown."""
    names = []

    def replace(name: str) -> None:
        def measure(*arguments, **options) -> Figures:
            names.append(name)
            figure = Figure(what={"what": name}, unit="s", values=(len(names),))
            return Figures(device="CPU, float32", figures=(figure,))

        table = name + ("_tables" if name == "time_to_score" else "_table")
        monkeypatch.setattr(f"pipeline.commands.bench.measure_{name}", measure)
        monkeypatch.setattr(f"pipeline.commands.bench.{table}", lambda figures: f"table: {name}")

    for name in MEASURES:
        replace(name)
    return names


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("", ["augmentation", "throughput", "prediction"]),
        ("all", ["augmentation", "throughput", "prediction", "time_to_score"]),
        ("time-to-score", ["time_to_score"]),
        ("prediction,augment", ["augmentation", "prediction"]),
    ],
)
def test_the_long_benchmark_runs_only_if_it_is_asked_for(
    asked, names, measured, tiny_workspace, capsys
):
    reporter = tiny.Lines()
    Bench(asked, device="cpu")(tiny_workspace, reporter)
    assert measured == names
    assert capsys.readouterr().out.split("\n")[:-1] == [f"table: {name}" for name in names]
    assert "figures: runs/bench.json" in reporter.lines[-1]


def test_an_unknown_benchmark_is_named_with_the_known_ones(measured, tiny_workspace):
    with pytest.raises(UserError, match="BENCH='speed' is not known; choose one of: augment, thr"):
        Bench("augment,speed", device="cpu")(tiny_workspace, tiny.Lines())
    assert not measured


def test_each_benchmarks_figures_stay_until_it_runs_again(measured, tiny_workspace):
    def kept(asked: str) -> dict[str, list[float]]:
        Bench(asked, device="cpu")(tiny_workspace, reporter)
        record = json.loads(tiny_workspace.bench.read_text())
        return {name: each["figures"][0]["values"] for name, each in record.items()}

    reporter = tiny.Lines()
    assert kept("prediction") == {"prediction": [1]}
    assert kept("throughput") == {"prediction": [1], "throughput": [2]}
    assert kept("prediction") == {"prediction": [3], "throughput": [2]}
    assert "prediction: about a minute" in reporter.text


def test_a_seeds_figures_of_the_long_benchmark_are_kept_at_once(
    measured, tiny_workspace, monkeypatch
):
    def measure(rounds, workspace, reporter, *, on_seed) -> None:
        assert [{spec.settings.seed for spec in specs.values()} for specs in rounds] == [{7}]
        on_seed(Figures(device="CPU, float32", figures=()))
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.commands.bench.measure_time_to_score", measure)
    with pytest.raises(KeyboardInterrupt):
        Bench("time-to-score", device="cpu", seed="7")(tiny_workspace, tiny.Lines())
    assert list(json.loads(tiny_workspace.bench.read_text())) == ["time-to-score"]


@pytest.mark.parametrize("text", ["{}}", "[]", '{"prediction": 1'])
def test_a_damaged_file_is_refused_before_anything_is_measured(measured, tiny_workspace, text):
    tiny_workspace.bench.parent.mkdir(exist_ok=True)
    tiny_workspace.bench.write_text(text)
    with pytest.raises(UserError, match=r"bench\.json is not a readable BenchRecord"):
        Bench("prediction", device="cpu")(tiny_workspace, tiny.Lines())
    assert not measured
    assert tiny_workspace.bench.read_text() == text


def test_a_device_that_is_not_there_is_refused(measured, tiny_workspace):
    with pytest.raises(UserError, match="DEVICE=mps is not available"):
        Bench(device="mps")(tiny_workspace, tiny.Lines())
    assert not measured


def test_the_presets_are_those_of_one_fold_with_the_seed_asked_for(tiny_workspace):
    specs = Bench(device="cpu").presets(tiny_workspace, "7")
    assert set(specs) == {"quick", "standard"}
    for spec in specs.values():
        assert spec.settings.seed == 7
        assert spec.settings.fold_numbers == [0]
        assert spec.settings.device == "cpu"
