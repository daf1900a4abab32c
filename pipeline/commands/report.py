"""`make report`: a run on one page, for a browser: runs/<run>/report.html."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.commands.knobs import Knobs, Text
from pipeline.console import Reporter
from pipeline.data.files import write_text
from pipeline.errors import UserError
from pipeline.judging.pairing import compare_runs
from pipeline.report.gather import gather
from pipeline.report.page import ALL_SECTIONS, render_page
from pipeline.runs.workspace import Workspace
from pipeline.training.device import choose_device


@dataclass(frozen=True)
class Report(Knobs):
    """Write a run on one page, for a browser: runs/<run>/report.html."""

    a: Text = ""
    """A baseline to compare with: a run, or several seeds of it. Give B too, and no RUN."""
    b: Text = ""
    """The run, or several seeds of it, beside that baseline."""

    def __call__(self, workspace: Workspace, reporter: Reporter) -> Path:
        """Write the page, or that of B's first run with a comparison on top; return its path."""
        if self.run and (self.a or self.b):
            raise UserError("RUN is one report, A and B together are another; give either.")
        compared = None
        if self.a or self.b:  # `compare_runs` refuses a side without a run
            compared = compare_runs(self.a.split(), self.b.split(), workspace)
        run = compared.b.runs[0] if compared else self.run or self.specify_any(workspace).name
        paths = workspace.run(run)
        path = paths.report_against(compared.a.runs[0]) if compared else paths.report
        with reporter.bar(f"report of {run}", len(ALL_SECTIONS) + 3) as bar:
            evidence = gather(run, workspace, choose_device(self.device or "auto"), bar.advance)
            page = render_page(evidence, compared, bar.advance)
        write_text(path, page)
        size_mb = len(page.encode()) / 1e6
        reporter.line(f"report of {run}, {size_mb:.1f} MB: {path.relative_to(workspace.root)}")
        return path
