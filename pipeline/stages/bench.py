"""How fast this machine augments, beside albumentations and others."""

import json
from dataclasses import asdict

from pipeline.artifacts.files import write_text
from pipeline.artifacts.paths import Workspace
from pipeline.augment.bench import Report, run_benchmark
from pipeline.engine.device import choose_device
from pipeline.reporting import Reporter


def bench(device: str, workspace: Workspace, reporter: Reporter) -> Report:
    """Measure, write `runs/bench.json` and return the figures.

    Args:
        device: "auto", "cuda", "mps" or "cpu".
        workspace: Where everything lies.
        reporter: Told the path.

    Raises:
        UserError: The device is not there.
    """
    reporter.line("Measuring the augmentation engines in turn: about two minutes.")
    report = run_benchmark(choose_device(device).torch)
    path = workspace.bench
    write_text(path, json.dumps(asdict(report), indent=2) + "\n")
    reporter.line(f"figures: {path}")
    return report
