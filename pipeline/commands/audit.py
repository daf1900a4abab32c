"""`make audit`: what could make an accuracy or a score false, in the data and in the runs."""

from dataclasses import dataclass

from pipeline.commands.knobs import Text
from pipeline.console import Reporter
from pipeline.data.competition import get_competition
from pipeline.data.files import replacing
from pipeline.errors import UserError
from pipeline.judging import auditor
from pipeline.judging.checks import Check, findings
from pipeline.report.nearest_pairs import save_pairs
from pipeline.runs.kept import load_kept
from pipeline.runs.network_code import hash_network
from pipeline.runs.results import find_run, read_config, read_run
from pipeline.runs.workspace import Workspace
from pipeline.training.device import Device, choose_device
from pipeline.training.inference import restore_network


@dataclass(frozen=True)
class Audit:
    """Look for what makes a score false: copies across the sets, and runs that saw their images."""

    competition: Text = "digit-recognizer"
    """Which competition: one of pipeline/competitions/."""
    run: Text = ""
    """Only this run; empty: all of the competition's."""
    device: Text = "auto"
    """auto, cuda, mps or cpu."""

    def __call__(self, workspace: Workspace, reporter: Reporter) -> None:
        """Look at the data and at the runs; write a picture of the nearest images.

        Raises:
            UserError: Also if something was found that makes a score false.
        """
        competition, run = get_competition(self.competition), self.run
        slug = competition.slug
        if run and (own := read_run(run, workspace).competition) != slug:
            raise UserError(f"run {run} belongs to COMPETITION={own}, not to {slug}.")
        looked, device = auditor.Audit(competition, workspace), choose_device(self.device)
        neighbours = looked.search_neighbours(device.torch, reporter)
        digits = looked.digits
        num_train, num_test = len(digits.train_images), len(digits.test_images)
        reporter.line(f"{slug}: {num_train:,} training and {num_test:,} test images")
        found = _report(looked.check_data(), reporter)
        picture = workspace.audit_picture(competition)
        with replacing(picture) as temporary:
            save_pairs(
                temporary,
                digits,
                neighbours,
                looked.competition.class_names,
                f"The nearest images of {slug}",
            )
        reporter.line(f"nearest pairs: {picture.relative_to(workspace.root)}")
        for name in [run] if run else [paths.folder.name for paths in workspace.runs()]:
            try:
                record = find_run(name, workspace)
                if record is None or record.competition != slug:
                    continue
                checks = looked.check_run(name)
                if not findings(checks):
                    runs = record.member_names or [name]
                    checks += [_check_network(each, looked, device) for each in runs]
            except UserError as error:
                if run:
                    raise
                reporter.line(f"run {name} is damaged: {error}")
                continue
            reporter.line(f"run {name}")
            found += _report(checks, reporter)
        if found:
            things = "1 thing that makes" if found == 1 else f"{found} things that make"
            raise UserError(
                f"the audit found {things} an accuracy or a score false, marked FOUND above."
            )
        reporter.line("nothing found")


def _check_network(run: str, looked: auditor.Audit, device: Device) -> Check:
    """Look whether the networks of a single run predict what they did when they were trained."""
    config, paths = read_config(run, looked.workspace), looked.workspace.run(run)
    folds, model = [paths.fold(fold) for fold in paths.finished_folds()], config.settings["model"]
    if config.network_sha256 not in (None, hash_network(model)):
        return Check("network", f"not checked: {model} was edited since {run} was trained")
    if not folds or not all(len(load_kept(fold).ids) for fold in folds):
        return Check("network", f"not checked: {run} kept no predictions to compare with")
    try:
        for fold in folds:
            restore_network(fold, looked.digits.train_images, device)
    except UserError as error:
        return Check("network", str(error), passed=False)
    return Check("network", f"{run} predicts what it did when it was trained")


def _report(checks: list[Check], reporter: Reporter) -> int:
    """Say what was seen; return how many checks did not pass."""
    for check in checks:
        verdict = "ok   " if check.passed else "FOUND"
        reporter.line(f"  {verdict}  {check.subject:16} {check.text}")
    return len(findings(checks))
