"""`make data`: get the competition's CSV files, checked, with their manifest."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.commands.knobs import Text
from pipeline.console import Reporter
from pipeline.data.competition import get_competition
from pipeline.data.intake import take_in
from pipeline.kaggle.client import download
from pipeline.runs.workspace import Workspace


@dataclass(frozen=True)
class Data:
    """Get the competition's CSV files: from Kaggle, from a zip or folder, or the practice set."""

    competition: Text = "digit-recognizer"
    """Which competition: one of pipeline/competitions/."""
    zip: Text = ""
    """The zip downloaded in the browser, or a folder with the CSV files."""
    any_size: bool = False
    """Accept other numbers of rows than the competition's."""
    force: bool = False
    """Replace files that are there already."""

    def __call__(self, workspace: Workspace, reporter: Reporter) -> None:
        """Run the command."""
        take_in(
            workspace.input(get_competition(self.competition)),
            reporter,
            download=download,
            source=Path(self.zip) if self.zip else None,
            force=self.force,
            any_size=self.any_size,
        )
