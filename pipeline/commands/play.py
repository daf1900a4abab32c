"""`make play`: a page to play on: the recipe live, a digit drawn, the loop in view."""

from dataclasses import dataclass

import numpy as np

from pipeline.commands.knobs import Text
from pipeline.commands.split import Split
from pipeline.console import Reporter, Silent
from pipeline.data.competition import Competition, get_competition
from pipeline.data.digits_cache import load_training_images
from pipeline.data.intake import take_in
from pipeline.data.labelled_images import LabelledImages
from pipeline.errors import UserError
from pipeline.kaggle.client import download
from pipeline.runs.workspace import Workspace

_MOST = 65_535


@dataclass(frozen=True)
class Play:
    """Serve a page to this machine's browser, on which the loop is played."""

    competition: Text = "digit-recognizer"
    """Which competition: one of pipeline/competitions/; without its data, practice digits."""
    port: Text = "8900"
    """Where to serve the page: http://127.0.0.1:<port>/; 0: wherever there is room."""

    def __call__(self, workspace: Workspace, reporter: Reporter) -> None:
        """Serve until Ctrl-C."""
        if not (self.port.isascii() and self.port.isdigit() and int(self.port) <= _MOST):
            raise UserError(f"PORT={self.port!r} must be a whole number, 0 to {_MOST}.")
        try:
            from pipeline.play.server import reserve, serve
        except ModuleNotFoundError as error:
            if error.name not in ("starlette", "uvicorn"):
                raise
            raise UserError(
                f"the page needs {error.name}, which is not installed; run `.venv/bin/pip install "
                "--constraint requirements.lock --editable '.[play]'`."
            ) from None
        with reserve(int(self.port), workspace) as listening:
            # Only now, as they take seconds: a second page is refused at once.
            from pipeline.play.doors import make_app

            competition, digits = _digits(get_competition(self.competition), workspace, reporter)
            serve(
                lambda token: make_app(token, competition, digits, workspace), listening, reporter
            )


def _digits(
    competition: Competition, workspace: Workspace, reporter: Reporter
) -> tuple[Competition, LabelledImages]:
    """The training digits to play with, split as a try needs it; practice where none are."""
    try:
        images, labels = load_training_images(workspace.input(competition))
    except UserError as missing:
        if competition.made_here or workspace.input(competition).manifest.exists():
            raise
        reporter.line(f"note: {missing} Until then the page plays with practice digits.")
        competition = get_competition("practice")
        take_in(workspace.input(competition), reporter, download=download)
        images, labels = load_training_images(workspace.input(competition))
    Split(competition.slug)(workspace, Silent())
    return competition, LabelledImages(images, labels, np.arange(len(labels)))
