"""All networks with their size and their speed on this machine."""

from pipeline.bench.networks import NetworksFigures, measure_networks
from pipeline.competition import get_competition
from pipeline.engine.device import choose_device
from pipeline.models import MODELS
from pipeline.reporting import Reporter
from pipeline.settings import Settings


def models(settings: Settings, reporter: Reporter) -> NetworksFigures:
    """Measure every network of the registry; nothing is written.

    Args:
        settings: Device, precision, batch sizes and dropout are used.
        reporter: Told what happens.

    Raises:
        UserError: The device is not there.
    """
    device = choose_device(settings.device, settings.precision)
    reporter.line(f"Measuring {len(MODELS)} networks in turn: about half a minute.")
    return measure_networks(settings, get_competition(settings.competition), device, reporter)
