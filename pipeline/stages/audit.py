"""The audit: what could make an accuracy or a score false, in the data and in the runs."""

from collections.abc import Iterable

from pipeline.artifacts.files import replacing
from pipeline.artifacts.paths import Workspace
from pipeline.audit.checks import Check, findings
from pipeline.audit.picture import save_pairs
from pipeline.competition import Competition
from pipeline.engine.device import choose_device
from pipeline.errors import UserError
from pipeline.jobs.audit import Audit
from pipeline.jobs.neighbours import search_neighbours
from pipeline.reporting import Reporter
from pipeline.runs import find_run, read_run


def audit(
    competition: Competition,
    workspace: Workspace,
    reporter: Reporter,
    *,
    run: str = "",
    device: str = "auto",
) -> None:
    """Look at the competition's data and at its runs; write a picture of the nearest images.

    Args:
        competition: Whose data and runs.
        workspace: Where everything lies.
        reporter: Told of every check.
        run: Only this run; empty: all of them.
        device: Where to search for the nearest images.

    Raises:
        UserError: Something was found that makes a score false, or the data are missing.
    """
    if run and (own := read_run(run, workspace).competition) != competition.slug:
        raise UserError(f"run {run} belongs to COMPETITION={own}, not to {competition.slug}.")
    looked = Audit(competition, workspace)
    neighbours = search_neighbours(looked, choose_device(device), reporter)
    num_train, num_test = len(looked.digits.train_images), len(looked.digits.test_images)
    reporter.line(f"{competition.slug}: {num_train:,} training and {num_test:,} test images")
    found = _report(looked.check_data(), reporter)
    picture = workspace.audit_picture(competition)
    with replacing(picture) as temporary:
        save_pairs(
            temporary, looked.digits, neighbours, f"The nearest images of {competition.slug}"
        )
    reporter.line(f"nearest pairs: {picture.relative_to(workspace.root)}")
    names = [run] if run else [paths.folder.name for paths in workspace.runs()]
    for name in names:
        found += _audit_run(name, looked, reporter, only=bool(run))
    if found:
        things = "1 thing that makes" if found == 1 else f"{found} things that make"
        raise UserError(
            f"the audit found {things} an accuracy or a score false, marked FOUND above."
        )
    reporter.line("nothing found")


def _audit_run(name: str, looked: Audit, reporter: Reporter, *, only: bool) -> int:
    """Report on one run, if it is of this competition; return how much was found."""
    try:
        if not only:
            record = find_run(name, looked.workspace)
            if record is None or record.competition != looked.competition.slug:
                return 0
        checks = looked.check_run(name)
    except UserError as error:
        if only:
            raise
        reporter.line(f"run {name} is damaged: {error}")
        return 0
    reporter.line(f"run {name}")
    return _report(checks, reporter)


def _report(checks: Iterable[Check], reporter: Reporter) -> int:
    """Say what was seen; return how many checks did not pass."""
    checks = list(checks)
    for check in checks:
        verdict = "ok   " if check.passed else "FOUND"
        reporter.line(f"  {verdict}  {check.subject:16} {check.text}")
    return len(findings(checks))
