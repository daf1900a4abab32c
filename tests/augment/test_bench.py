import io

import torch
from rich.console import Console

from pipeline.augment.bench import bench_recipes, print_report, run_benchmark


def test_benchmark_measures_every_recipe_on_every_engine():
    report = run_benchmark(
        torch.device("cpu"),
        repetitions=1,
        batch_sizes=(8, 16),
        num_workers=1,
        num_images=512,
        seconds=0.01,
    )
    assert {m.recipe for m in report.measurements} == set(bench_recipes())
    for name in bench_recipes():
        engines = [m.engine for m in report.measurements if m.recipe == name]
        assert "albumentations, 1 workers" in engines
        assert {"batched, 8 a call", "batched, 16 a call"} < set(engines)
    assert all(m.median > 0 for m in report.measurements)
    out = io.StringIO()
    print_report(report, Console(file=out, width=200))
    assert out.getvalue().count("albumentations, 1 process") == len(bench_recipes())
