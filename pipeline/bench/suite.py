"""How fast this machine is at everything the pipeline does."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import RenderableType

from pipeline.augment.registry import recipe_text
from pipeline.bench.augment import augmentation_table, measure_augmentation
from pipeline.bench.figures import Figures
from pipeline.bench.prediction import measure_prediction, prediction_table
from pipeline.bench.record import read_bench_record
from pipeline.bench.scaling import measure_scaling, scaling_table
from pipeline.bench.throughput import measure_throughput, throughput_table
from pipeline.bench.time_to_score import measure_time_to_score, time_to_score_tables
from pipeline.console import Reporter
from pipeline.data.competition import Competition
from pipeline.data.files import write_record
from pipeline.errors import UserError
from pipeline.runs.spec import RunSpec, specify_run
from pipeline.runs.workspace import Workspace
from pipeline.settings.presets import resolve
from pipeline.training.device import Device, choose_device

PRESETS = ("quick", "standard")
"""The presets that are measured; the second one also gives what is not asked of both."""


@dataclass(frozen=True)
class Suite:
    """What all benchmarks need.

    Attributes:
        device_name: "auto", "cuda", "mps" or "cpu".
        seeds: Of time-to-score.
        competition: Whose digits time-to-score needs; the others work on noise of its shape.
        workspace: Where everything lies.
        reporter: Shows the progress.
    """

    device_name: str
    seeds: tuple[str, ...]
    competition: Competition
    workspace: Workspace
    reporter: Reporter

    def specs(self, seed: str = "0") -> dict[str, RunSpec]:
        """Return the presets as runs of one fold, by name."""
        knobs = {"competition": self.competition.slug, "device": self.device_name, "seed": seed}
        found = {}
        for preset in PRESETS:
            settings = resolve(preset, knobs | {"folds": "0"})
            recipe = recipe_text(settings.augment, self.workspace.recipes)
            found[preset] = specify_run("", preset, settings, recipe)
        return found

    def device(self) -> Device:
        """Return the device in the presets' precision.

        Raises:
            UserError: It is not there.
        """
        settings = self.specs()[PRESETS[1]].settings
        return choose_device(settings.device, settings.precision)

    def save(self, name: str, figures: Figures) -> None:
        """Put one benchmark's figures into `runs/bench.json`, beside the others'."""
        record = read_bench_record(self.workspace.bench)
        write_record(self.workspace.bench, record.model_copy(update={name: figures}))


def _augment(suite: Suite) -> RenderableType:
    device = choose_device(suite.device_name, "float32")
    workers = os.cpu_count() or 1
    figures = measure_augmentation(device, suite.reporter, num_workers=workers)
    suite.save("augment", figures)
    return augmentation_table(figures)


def _throughput(suite: Suite) -> RenderableType:
    specs = suite.specs()
    settings = specs[PRESETS[1]].settings
    figures = measure_throughput(specs, settings, suite.competition, suite.device(), suite.reporter)
    suite.save("throughput", figures)
    return throughput_table(figures)


def _prediction(suite: Suite) -> RenderableType:
    presets = {name: spec.settings for name, spec in suite.specs().items()}
    figures = measure_prediction(
        presets, suite.competition, suite.device(), suite.workspace.root, suite.reporter
    )
    suite.save("prediction", figures)
    return prediction_table(figures)


def _scaling(suite: Suite) -> RenderableType:
    spec = suite.specs()[PRESETS[1]]
    figures = measure_scaling(spec, suite.competition, suite.device(), suite.reporter)
    suite.save("scaling", figures)
    return scaling_table(figures)


def _time_to_score(suite: Suite) -> RenderableType:
    figures = measure_time_to_score(
        [suite.specs(seed) for seed in suite.seeds],
        suite.competition,
        suite.workspace,
        suite.device(),
        suite.reporter,
        on_seed=lambda so_far: suite.save("time_to_score", so_far),
    )
    return time_to_score_tables(figures)


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    Attributes:
        run: Measures, saves, and returns the tables.
        duration: How long it takes, about, in words.
        only_if_named: It is too long to run unasked.
    """

    run: Callable[[Suite], RenderableType]
    duration: str
    only_if_named: bool = False


BENCHMARKS = {
    "augment": Benchmark(_augment, "two minutes"),
    "throughput": Benchmark(_throughput, "half a minute"),
    "prediction": Benchmark(_prediction, "a minute"),
    "scaling": Benchmark(_scaling, "two minutes"),
    "time-to-score": Benchmark(_time_to_score, "20 minutes a seed", only_if_named=True),
}


def choose_benchmarks(asked: str) -> list[str]:
    """Return names from `BENCHMARKS` in the order in which they run.

    Args:
        asked: Names with commas between them, "all", or "" for all that take minutes.

    Raises:
        UserError: One is not known.
    """
    if asked == "all":
        return list(BENCHMARKS)
    if not asked:
        return [name for name, each in BENCHMARKS.items() if not each.only_if_named]
    names = asked.replace(",", " ").split()
    if unknown := [name for name in names if name not in BENCHMARKS]:
        known = ", ".join([*BENCHMARKS, "all"])
        raise UserError(f"BENCH={unknown[0]!r} is not known; choose one of: {known}.")
    return [name for name in BENCHMARKS if name in names]


def run_benchmarks(asked: str, suite: Suite, show: Callable[[RenderableType], None]) -> None:
    """Run benchmarks one after another; each is written to `runs/bench.json` and shown at its end.

    Args:
        asked: See `choose_benchmarks`.
        suite: What they need.
        show: Given each benchmark's tables.

    Raises:
        UserError: There is no such benchmark or device, there are no data for time-to-score, or
            the file is damaged.
    """
    names = choose_benchmarks(asked)
    path, reporter = suite.workspace.bench, suite.reporter
    read_bench_record(path)  # a damaged file is refused before anything is measured
    suite.device()
    for name in names:
        reporter.line(f"{name}: about {BENCHMARKS[name].duration}")
        show(BENCHMARKS[name].run(suite))
    reporter.line(f"figures: {path.relative_to(suite.workspace.root)}")
