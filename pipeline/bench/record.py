"""`runs/bench.json`: the figures of every benchmark, each from the last time it ran."""

from pathlib import Path

from pipeline.bench.augment import AugmentationFigures
from pipeline.bench.figures import Figures
from pipeline.bench.prediction import PredictionFigures
from pipeline.bench.scaling import ScalingFigures
from pipeline.bench.throughput import ThroughputFigures
from pipeline.bench.time_to_score import TimeToScoreFigures
from pipeline.data.files import read_record


class BenchRecord(Figures):
    """Figures by benchmark; None where it never ran."""

    augment: AugmentationFigures | None = None
    throughput: ThroughputFigures | None = None
    prediction: PredictionFigures | None = None
    scaling: ScalingFigures | None = None
    time_to_score: TimeToScoreFigures | None = None


def read_bench_record(path: Path) -> BenchRecord:
    """Return what is there, or an empty record.

    Raises:
        UserError: The file is damaged or from another version.
    """
    try:
        return read_record(path, BenchRecord)
    except FileNotFoundError:
        return BenchRecord()
