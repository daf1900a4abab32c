"""`make bench`: measure how fast this machine augments, trains and predicts."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from rich.console import Console, RenderableType

from pipeline.augment.registry import recipe_text
from pipeline.bench.augment import augmentation_table, measure_augmentation
from pipeline.bench.figures import read_bench_record, save_figures
from pipeline.bench.prediction import measure_prediction, prediction_table
from pipeline.bench.throughput import measure_throughput, throughput_table
from pipeline.bench.time_to_score import measure_time_to_score, time_to_score_tables
from pipeline.commands.knobs import Text
from pipeline.console import Reporter
from pipeline.data.files import Record
from pipeline.errors import UserError
from pipeline.runs.spec import RunSpec, specify_run
from pipeline.runs.workspace import Workspace
from pipeline.settings.presets import resolve
from pipeline.training.device import choose_device

_ONLY_IF_NAMED = "time-to-score"

_Benchmark = tuple[str, Callable[[], Record], Callable[[Any], RenderableType]]
"""About how long it takes, what measures it, and what shows its figures."""


@dataclass(frozen=True)
class Bench:
    """Measure how fast this machine is: augmentation, training, prediction, time to a score."""

    bench: Text = ""
    """augment, throughput, prediction, time-to-score, or all; empty: all but the last."""
    competition: Text = "digit-recognizer"
    """Whose digits time-to-score trains on; the others work on noise."""
    device: Text = "auto"
    """auto, cuda, mps or cpu."""
    seed: Text = ""
    """The only seed of time-to-score; empty: 0, 1 and 2."""

    def __call__(self, workspace: Workspace, reporter: Reporter) -> None:
        """Measure; each benchmark is shown and written to `runs/bench.json` at its end."""
        benchmarks = self._benchmarks(workspace, reporter)
        default = [name for name in benchmarks if name != _ONLY_IF_NAMED]
        asked = self.bench.replace(",", " ").split() or default
        if unknown := [name for name in asked if name not in (*benchmarks, "all")]:
            choice = ", ".join([*benchmarks, "all"])
            raise UserError(f"BENCH={unknown[0]!r} is not known; choose one of: {choice}.")
        read_bench_record(workspace.bench)  # a damaged file is refused before anything is measured
        for name, (duration, measure, show) in benchmarks.items():
            if name in asked or "all" in asked:
                reporter.line(f"{name}: about {duration}")
                figures = measure()
                save_figures(workspace.bench, name, figures)
                Console().print(show(figures))
        reporter.line(f"figures: {workspace.bench.relative_to(workspace.root)}")

    def _benchmarks(self, workspace: Workspace, reporter: Reporter) -> dict[str, _Benchmark]:
        """All of them by name, in the order in which they run."""
        device = choose_device(self.device, "float32")  # refused now if it is not there
        seeds = (self.seed,) if self.seed else ("0", "1", "2")
        standard = self.presets(workspace, "0")["standard"]
        num_workers = os.cpu_count() or 1
        augment = partial(measure_augmentation, device, reporter, num_workers=num_workers)
        throughput = partial(measure_throughput, standard, reporter)
        prediction = partial(measure_prediction, standard, workspace.root, reporter)
        time_to_score = partial(
            measure_time_to_score,
            [self.presets(workspace, seed) for seed in seeds],
            workspace,
            reporter,
            on_seed=partial(save_figures, workspace.bench, _ONLY_IF_NAMED),
        )
        return {
            "augment": ("two minutes", augment, augmentation_table),
            "throughput": ("half a minute", throughput, throughput_table),
            "prediction": ("a minute", prediction, prediction_table),
            _ONLY_IF_NAMED: ("20 minutes a seed", time_to_score, time_to_score_tables),
        }

    def presets(self, workspace: Workspace, seed: str) -> dict[str, RunSpec]:
        """Return the presets that are measured, by name, as runs of one fold."""
        knobs = {"competition": self.competition, "device": self.device, "seed": seed, "folds": "0"}
        found = {}
        for preset in ("quick", "standard"):
            settings = resolve(preset, knobs)
            recipe = recipe_text(settings.augment, workspace.recipes)
            found[preset] = specify_run("", preset, settings, recipe)
        return found
