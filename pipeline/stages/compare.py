"""Comparison: is B better than A, how sure is that, and on which digits do they differ?"""

from pipeline.artifacts.files import replacing
from pipeline.artifacts.paths import Workspace
from pipeline.comparison.picture import save_changed_digits
from pipeline.comparison.sides import Comparison
from pipeline.comparison.words import describe
from pipeline.jobs.comparison import compare_runs
from pipeline.reporting import Reporter
from pipeline.runs import load_run_digits, read_run


def compare(
    a: list[str], b: list[str], workspace: Workspace, reporter: Reporter, *, images: bool = False
) -> Comparison:
    """Compare two sides on the images that all their runs were validated on, and say the verdict.

    Args:
        a: The baseline: a run, or several that differ in the seed alone.
        b: The change, likewise.
        workspace: Where the runs are.
        reporter: Gets the verdict and the figures.
        images: Also draw the digits that changed sides.

    Raises:
        UserError: The runs cannot be compared; see `compare_runs`.
    """
    comparison = compare_runs(a, b, workspace)
    for line in describe(comparison):
        reporter.line(line)
    if images:
        _draw(comparison, workspace, reporter)
    return comparison


def _draw(comparison: Comparison, workspace: Workspace, reporter: Reporter) -> None:
    first_a, first_b = comparison.a.runs[0], comparison.b.runs[0]
    digits = load_run_digits(read_run(first_a, workspace), workspace)
    path = workspace.changed_digits(first_a, first_b)
    with replacing(path) as temporary:
        save_changed_digits(temporary, comparison, digits.train_images[comparison.rows])
    reporter.line(f"{'pictures':<15}{path.relative_to(workspace.root)}")
