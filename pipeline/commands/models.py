"""`make models`: list the networks, their size, and their speed on this machine."""

from dataclasses import dataclass

from rich.console import Console

from pipeline.bench.networks import measure_networks, networks_table
from pipeline.commands.knobs import Knobs
from pipeline.console import Reporter
from pipeline.data.competition import get_competition
from pipeline.networks import MODELS
from pipeline.runs.workspace import Workspace
from pipeline.training.device import choose_device


@dataclass(frozen=True)
class Models(Knobs):
    """List the networks: parameters, multiply-adds, and images/s measured on this machine."""

    def __call__(self, workspace: Workspace, reporter: Reporter) -> None:
        """Measure every network of the registry; nothing is written.

        Raises:
            UserError: The device is not there.
        """
        settings = self.specify(workspace).settings
        device = choose_device(settings.device, settings.precision)
        reporter.line(f"Measuring {len(MODELS)} networks in turn: about half a minute.")
        competition = get_competition(settings.competition)
        figures = measure_networks(settings, competition, device, reporter)
        Console().print(networks_table(figures))
