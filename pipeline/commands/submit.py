"""`make submit`: upload the submission CSV, wait for its score, write submissions/<run>.json."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.commands.knobs import Knobs, Text
from pipeline.console import Reporter
from pipeline.data.competition import Competition, get_competition
from pipeline.data.files import locked, write_record
from pipeline.data.folds import ALL_DATA
from pipeline.data.predictions_csv import check_submission
from pipeline.errors import UserError
from pipeline.judging.auditor import Audit
from pipeline.judging.checks import findings
from pipeline.kaggle.grader import grade
from pipeline.kaggle.upload import Upload
from pipeline.runs.records import Receipt
from pipeline.runs.results import (
    accuracy_if_validated,
    load_out_of_fold,
    load_run_digits,
    read_run,
)
from pipeline.runs.scoring import expect_score
from pipeline.runs.workspace import Workspace


@dataclass(frozen=True)
class Submit(Knobs):
    """Upload the submission CSV, wait for its score and write the receipt."""

    message: Text = ""
    """Words sent along with the submission."""
    force: bool = False
    """Upload a file that was uploaded before."""

    def __call__(
        self,
        workspace: Workspace,
        reporter: Reporter,
        *,
        poll_s: float = 5.0,
        timeout_s: float = 900.0,
    ) -> Receipt:
        """Submit `submissions/<run>.csv` to the competition that the run belongs to.

        The practice competition is graded here. On Kaggle, the submission carries a unique mark;
        it counts as made only when it is found in the list by that mark. A receipt that an
        interrupted call left is taken up again: the list is looked at first, and only what never
        arrived is uploaded.

        Args:
            workspace: Where the files are.
            reporter: Gets the progress and the score.
            poll_s: Pause between two looks at the list, in seconds.
            timeout_s: How long to wait for the score, in seconds.

        Returns:
            The receipt of a scored submission, as it was written.

        Raises:
            UserError: Something is missing or does not fit together, the audit found what makes
                the score false, Kaggle refuses, the scoring fails, or the score does not come in
                time.
        """
        run = self.run or self.specify_any(workspace).name
        competition = get_competition(self.competition)
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
            csv_sha256 = check_submission(csv_file, own, num_rows=len(digits.test_images))
            found = _audit(run, own, workspace, reporter, force=self.force)
            out_of_fold = load_out_of_fold(run, workspace, may_be_empty=True)
            accuracy = accuracy_if_validated(out_of_fold, digits.train_labels)
            receipt = Receipt(
                run=run,
                competition=own.slug,
                csv_sha256=csv_sha256,
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
                receipt = upload.submit(
                    receipt, self.message or record.title, accuracy, force=self.force
                )
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
    accuracy = grade(csv_file, workspace.input(competition).solution)
    return receipt.model_copy(update={"status": "complete", "score": accuracy.value})
