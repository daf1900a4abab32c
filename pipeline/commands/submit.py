"""`make submit`: upload the submission CSV, wait for its score, write submissions/<run>.json."""

from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.commands.knobs import Knobs, Text
from pipeline.console import Reporter
from pipeline.data.competition import get_competition
from pipeline.data.files import locked, write_record
from pipeline.data.folds import ALL_DATA
from pipeline.data.predictions_csv import check_submission
from pipeline.errors import UserError
from pipeline.judging.auditor import Audit
from pipeline.judging.checks import findings
from pipeline.kaggle.grader import grade
from pipeline.kaggle.upload import Upload
from pipeline.runs.records import Receipt
from pipeline.runs.results import accuracy_if_validated, load_out_of_fold, load_run_digits, read_run
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
        """Submit `submissions/<run>.csv` to the competition it belongs to; return the receipt.

        The practice competitions are graded here. On Kaggle, the submission carries a unique mark;
        it counts as made only when it is found in the list by that mark, looked at every `poll_s`
        seconds for `timeout_s` seconds. A receipt that an interrupted call left is taken up again:
        the list is looked at first, and only what never arrived is uploaded.
        """
        run = self.run or self.specify_any(workspace).name
        competition, paths = get_competition(self.competition), workspace.run(run)
        if competition.source == "zip":
            raise UserError(
                f"{competition.slug} has no leaderboard: what run {run} is worth stands in "
                f"`make report RUN={run}`."
            )
        record = read_run(run, workspace)
        if record.competition != competition.slug:
            raise UserError(
                f"run {run} belongs to COMPETITION={record.competition} and cannot be submitted to "
                f"{competition.slug}; train a run on the data of {competition.slug}."
            )
        with locked(paths.lock, f"run {run}"):
            csv_file, receipt_file = workspace.submission(run), workspace.receipt(run)
            digits = load_run_digits(record, workspace)
            num_test = len(digits.test_images)
            if not csv_file.exists():
                raise UserError(f"{csv_file} is missing; run `make predict RUN={run}`.")
            num_scored = competition.count_scored(num_test)
            csv_sha256 = check_submission(csv_file, competition, num_rows=num_test)
            found = self._audit(run, Audit(competition, workspace), reporter)
            out_of_fold = load_out_of_fold(run, workspace, may_be_empty=True)
            accuracy = accuracy_if_validated(out_of_fold, digits.train_labels)
            receipt = Receipt(
                run=run,
                competition=competition.slug,
                csv_sha256=csv_sha256,
                message="",
                mark="",
                submitted_at=datetime.now(UTC).isoformat(timespec="seconds"),
                folds=[fold for fold in paths.finished_folds() if fold != ALL_DATA],
                members=record.member_names,
                valid_correct=accuracy.correct if accuracy else 0,
                valid_total=accuracy.total if accuracy else 0,
                expected=expect_score(accuracy, num_scored) if accuracy else None,
                findings=found,
            )
            if competition.on_kaggle:
                upload = Upload(competition, receipt_file, csv_file, reporter)
                message = self.message or record.title
                receipt = upload.submit(receipt, message, accuracy, force=self.force)
                receipt = upload.wait(receipt, poll_s, timeout_s)
                board = "public leaderboard"
            else:
                score = grade(csv_file, workspace.input(competition)).value
                receipt = receipt.model_copy(update={"status": "complete", "score": score})
                write_record(receipt_file, receipt)
                board = "practice leaderboard, graded here"
            shown = "not shown" if receipt.score is None else f"{receipt.score:.5f}"
            reporter.line(f"score       {shown} ({board})")
            reporter.line(f"expected    {_expected(receipt)}")
            reporter.line(f"validation  {accuracy or 'none: trained on all rows'}")
            reporter.line(f"submission  {csv_file.relative_to(workspace.root)}")
            reporter.line(f"receipt     {receipt_file.relative_to(workspace.root)}")
            return receipt

    def _audit(self, run: str, looked: Audit, reporter: Reporter) -> list[str]:
        """Refuse a submission whose score would be false, unless forced; return what was found."""
        found = findings([*looked.check_run(run), *looked.check_data()])
        if found and not self.force:
            more = f" (and {len(found) - 1} more: `make audit RUN={run}`)" if len(found) > 1 else ""
            raise UserError(
                f"the audit of run {run} found {found[0]}{more}. FORCE=1 submits it all the same."
            )
        for text in found:
            reporter.line(f"submitted in spite of the audit: {text}")
        return found


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
