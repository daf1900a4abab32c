"""`make bench`: measure how fast this machine augments, trains and predicts."""

from dataclasses import dataclass

from rich.console import Console

from pipeline.bench.suite import Suite, run_benchmarks
from pipeline.commands.knobs import Text
from pipeline.console import Reporter
from pipeline.data.competition import get_competition
from pipeline.runs.workspace import Workspace


@dataclass(frozen=True)
class Bench:
    """Measure how fast this machine is: augmentation, training, prediction, time to a score."""

    bench: Text = ""
    """augment, throughput, prediction, scaling, time-to-score, or all; empty: all but the last."""
    competition: Text = "digit-recognizer"
    """Whose digits time-to-score trains on; the others work on noise."""
    device: Text = "auto"
    """auto, cuda, mps or cpu."""
    seed: Text = ""
    """The only seed of time-to-score; empty: 0, 1 and 2."""

    def __call__(self, workspace: Workspace, reporter: Reporter) -> None:
        """Run the command."""
        seeds = (self.seed,) if self.seed else ("0", "1", "2")
        competition = get_competition(self.competition)
        suite = Suite(self.device, seeds, competition, workspace, reporter)
        run_benchmarks(self.bench, suite, Console().print)
