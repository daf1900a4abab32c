"""Upload a run's predictions, wait for the score, write the receipt."""

from datetime import UTC, datetime
from pathlib import Path

from pipeline.artifacts.files import locked, sha256
from pipeline.artifacts.paths import Workspace
from pipeline.artifacts.records import Receipt, write_record
from pipeline.artifacts.tables import check_submission
from pipeline.audit.checks import findings
from pipeline.competition import Competition, get_competition
from pipeline.errors import UserError
from pipeline.jobs.audit import Audit
from pipeline.kaggle.upload import Upload
from pipeline.reporting import Reporter
from pipeline.runs import accuracy_if_validated, load_out_of_fold, load_run_digits, read_run
from pipeline.scoring import expect_score
from pipeline.settings import ALL_DATA


def submit(
    run: str,
    competition: Competition,
    workspace: Workspace,
    reporter: Reporter,
    *,
    message: str = "",
    force: bool = False,
    poll_s: float = 5.0,
    timeout_s: float = 900.0,
) -> Receipt:
    """Submit `submissions/<run>.csv` to the competition that the run belongs to.

    The practice competition is graded here. On Kaggle, the submission carries a unique mark; it
    counts as made only when it is found in the list by that mark. A receipt that an interrupted
    call left is taken up again: the list is looked at first, and only what never arrived is
    uploaded.

    Args:
        run: The run's name.
        competition: The competition asked for; it must be the run's own.
        workspace: Where the files are.
        reporter: Gets the progress and the score.
        message: Words for Kaggle's list, in front of the run's name and accuracy.
        force: Upload a file again that was submitted before, or in which the audit found something.
        poll_s: Pause between two looks at the list, in seconds.
        timeout_s: How long to wait for the score, in seconds.

    Returns:
        The receipt of a scored submission, as it was written.

    Raises:
        UserError: Something is missing or does not fit together, the audit found what makes the
            score false, Kaggle refuses, the scoring fails, or the score does not come in time.
    """
    paths = workspace.run(run)
    record = read_run(run, workspace)
    own = get_competition(record.competition)
    if competition != own:
        raise UserError(
            f"run {run} belongs to COMPETITION={own.slug} and cannot be submitted to "
            f"{competition.slug}; train a run on the data of {competition.slug}."
        )
    with locked(paths.lock, f"run {run}"):
        csv_file = workspace.submission(run)
        digits = load_run_digits(record, workspace)
        if not csv_file.exists():
            raise UserError(f"{csv_file} is missing; run `make predict RUN={run}`.")
        check_submission(csv_file, own, num_rows=len(digits.test_images))
        found = _audit(run, own, workspace, reporter, force=force)
        out_of_fold = load_out_of_fold(run, workspace, may_be_empty=True)
        accuracy = accuracy_if_validated(out_of_fold, digits.train_labels)
        receipt = Receipt(
            run=run,
            competition=own.slug,
            csv_sha256=sha256(csv_file),
            message="",
            mark="",
            submitted_at=datetime.now(UTC).isoformat(timespec="seconds"),
            folds=[fold for fold in paths.finished_folds() if fold != ALL_DATA],
            members=record.member_names,
            valid_correct=accuracy.correct if accuracy else 0,
            valid_total=accuracy.total if accuracy else 0,
            expected=expect_score(accuracy, len(digits.test_images)) if accuracy else None,
            findings=found,
        )
        receipt_file = workspace.receipt(run)
        if own.on_kaggle:
            upload = Upload(own, receipt_file, csv_file, reporter)
            receipt = upload.submit(receipt, message or record.title, accuracy, force=force)
            receipt = upload.wait(receipt, poll_s, timeout_s)
        else:
            receipt = _grade(receipt, csv_file, workspace, own)
            write_record(receipt_file, receipt)
        board = "public leaderboard" if own.on_kaggle else "practice leaderboard, graded here"
        reporter.line(f"score       {_score(receipt)} ({board})")
        reporter.line(f"expected    {_expected(receipt)}")
        reporter.line(f"validation  {accuracy or 'none: trained on all rows'}")
        reporter.line(f"submission  {csv_file.relative_to(workspace.root)}")
        reporter.line(f"receipt     {receipt_file.relative_to(workspace.root)}")
        return receipt


def _audit(
    run: str, competition: Competition, workspace: Workspace, reporter: Reporter, *, force: bool
) -> list[str]:
    """Refuse a submission whose score would be false, unless forced; return what was found."""
    looked = Audit(competition, workspace)
    found = findings([*looked.check_run(run), *looked.check_data()])
    if found and not force:
        more = f" (and {len(found) - 1} more: `make audit RUN={run}`)" if len(found) > 1 else ""
        raise UserError(
            f"the audit of run {run} found {found[0]}{more}. FORCE=1 submits it all the same."
        )
    for text in found:
        reporter.line(f"submitted in spite of the audit: {text}")
    return found


def _score(receipt: Receipt) -> str:
    return "not shown" if receipt.score is None else f"{receipt.score:.5f}"


def _expected(receipt: Receipt) -> str:
    """The score expected, and whether the one that came lies in its interval."""
    expected, score = receipt.expected, receipt.score
    if expected is None:
        return "nothing: no image was held out to validate on"
    if score is None:
        return str(expected)
    where = expected.locate(score)
    if where == "inside":
        return f"{expected}; the score lies inside"
    if where == "above" and len(receipt.folds) > 1:
        return f"{expected} for one fold; the score of {len(receipt.folds)} averaged lies above"
    return f"{expected}; the score lies {where} it, as chance alone does once in 40"


def _grade(
    receipt: Receipt, csv_file: Path, workspace: Workspace, competition: Competition
) -> Receipt:
    """Score a practice submission."""
    from pipeline.practice import grade

    accuracy = grade(csv_file, workspace.input(competition).solution)
    return receipt.model_copy(update={"status": "complete", "score": accuracy.value})
