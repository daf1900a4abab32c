"""`make bench` through its stage: what runs, and what is kept."""

import pytest

from pipeline.bench import suite as bench
from pipeline.bench.figures import Conditions
from pipeline.bench.record import read_bench_record
from pipeline.bench.scaling import ScalingFigures
from pipeline.bench.throughput import ThroughputFigures
from pipeline.errors import UserError
from pipeline.training.device import choose_device
from tests import tiny

CONDITIONS = Conditions.of(choose_device("cpu", "float32"))
SCALING = ScalingFigures(conditions=CONDITIONS, growths=())
THROUGHPUT = ThroughputFigures(conditions=CONDITIONS, convolutions=(), trainings=())


@pytest.fixture
def context(tiny_workspace) -> bench.Suite:
    return bench.Suite("cpu", ("0",), tiny.COMPETITION, tiny_workspace, tiny.Lines())


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("", ["augment", "throughput", "prediction", "scaling"]),
        ("all", ["augment", "throughput", "prediction", "scaling", "time-to-score"]),
        ("time-to-score", ["time-to-score"]),
        ("scaling,augment", ["augment", "scaling"]),
    ],
)
def test_the_long_benchmark_runs_only_if_it_is_asked_for(asked, names):
    assert bench.choose_benchmarks(asked) == names


def test_an_unknown_benchmark_is_named_with_the_known_ones(context):
    with pytest.raises(UserError, match="BENCH='speed' is not known; choose one of: augment, thr"):
        bench.run_benchmarks("augment,speed", context, print)


def test_each_benchmarks_figures_stay_until_it_runs_again(context, monkeypatch):
    def run(asked: str, **figures) -> list[str]:
        def measure(given: bench.Suite) -> str:
            for name, each in figures.items():
                given.save(name, each)
            return f"table of {asked}"

        monkeypatch.setitem(bench.BENCHMARKS, asked, bench.Benchmark(measure, "no time"))
        shown = []
        bench.run_benchmarks(asked, context, shown.append)
        return shown

    assert run("scaling", scaling=SCALING) == ["table of scaling"]
    assert run("throughput", throughput=THROUGHPUT) == ["table of throughput"]
    record = read_bench_record(context.workspace.bench)
    assert (record.scaling, record.throughput) == (SCALING, THROUGHPUT)
    assert record.augment is None
    assert "scaling: about no time" in context.reporter.text
    assert "figures: runs/bench.json" in context.reporter.text


def test_a_damaged_file_is_refused_before_anything_is_measured(context, monkeypatch):
    context.workspace.bench.parent.mkdir(exist_ok=True)
    context.workspace.bench.write_text("{}}")
    monkeypatch.setitem(bench.BENCHMARKS, "scaling", None)
    with pytest.raises(UserError, match=r"bench\.json is not a readable BenchRecord"):
        bench.run_benchmarks("scaling", context, print)


def test_a_device_that_is_not_there_is_refused(tiny_workspace):
    absent = bench.Suite("mps", ("0",), tiny.COMPETITION, tiny_workspace, tiny.Lines())
    with pytest.raises(UserError, match="DEVICE=mps is not available"):
        bench.run_benchmarks("", absent, print)


def test_the_presets_are_those_of_one_fold_with_the_seed_asked_for(context):
    specs = context.specs("7")
    assert set(specs) == {"quick", "standard"}
    for spec in specs.values():
        assert spec.settings.seed == 7
        assert spec.settings.fold_numbers == [0]
        assert spec.settings.device == "cpu"
