"""`make compare`: is run B better than run A, how sure is that, and on which images?"""

from dataclasses import dataclass

from pipeline.commands.knobs import Text
from pipeline.console import Reporter
from pipeline.data.competition import get_competition
from pipeline.data.files import replacing
from pipeline.judging.pairing import compare_runs
from pipeline.judging.words import describe
from pipeline.report.changed_digits import save_changed_digits
from pipeline.runs.results import load_run_training_images, read_run
from pipeline.runs.workspace import Workspace


@dataclass(frozen=True)
class Compare:
    """Say whether run B is better than run A, how sure that is, and what would settle it."""

    a: Text = ""
    """The baseline: a run, or several, separated by spaces, that differ in the seed alone."""
    b: Text = ""
    """The change, likewise."""
    images: bool = False
    """Also draw the images that changed sides."""

    def __call__(self, workspace: Workspace, reporter: Reporter) -> None:
        """Compare on the images that all runs of both sides were validated on."""
        comparison = compare_runs(self.a.split(), self.b.split(), workspace)
        for line in describe(comparison):
            reporter.line(line)
        if self.images:
            first_a, first_b = comparison.a.runs[0], comparison.b.runs[0]
            record = read_run(first_a, workspace)
            images, _ = load_run_training_images(record, workspace)
            path = workspace.changed_digits(first_a, first_b)
            with replacing(path) as temporary:
                save_changed_digits(
                    temporary,
                    comparison,
                    images[comparison.rows],
                    get_competition(record.competition).class_names,
                )
            reporter.line(f"{'pictures':<15}{path.relative_to(workspace.root)}")
