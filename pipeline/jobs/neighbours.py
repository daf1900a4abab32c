"""Search for the nearest images once, and keep what was found."""

from pipeline.artifacts.neighbours import save_neighbours
from pipeline.audit.data import Neighbours
from pipeline.audit.nearest import find_nearest, find_nearest_across
from pipeline.engine.device import Device
from pipeline.jobs.audit import Audit
from pipeline.reporting import Reporter


def search_neighbours(audit: Audit, device: Device, reporter: Reporter) -> Neighbours:
    """Return the nearest images across train, test and folds, searched for only once.

    Args:
        audit: Of the competition.
        device: Where to compute.
        reporter: Shows the progress.
    """
    if found := audit.neighbours():
        return found
    digits = audit.digits
    total = len(digits.test_images) + len(digits.train_images)
    with reporter.bar("comparing images", total) as bar:
        found = Neighbours(
            test=find_nearest(digits.test_images, digits.train_images, device.torch, bar.advance),
            train=find_nearest_across(
                digits.train_images, audit.row_folds, device.torch, bar.advance
            ),
        )
    save_neighbours(audit.inputs, found, audit.made_from)
    return found
