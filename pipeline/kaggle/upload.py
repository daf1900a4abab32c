"""One run's way into Kaggle's list of submissions, and the wait for its score."""

import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.console import Reporter
from pipeline.data.competition import Competition
from pipeline.data.files import read_record, sha256, write_record
from pipeline.errors import UserError
from pipeline.kaggle import client
from pipeline.kaggle.client import Submission
from pipeline.kaggle.faults import KaggleFault
from pipeline.kaggle.message import Message
from pipeline.runs.records import Receipt
from pipeline.runs.scoring import Accuracy

_LOOKS = 4
"""How often a new submission is looked for in the list when the upload's answer was not clear."""
_MAX_FAILED_POLLS = 5


@dataclass(frozen=True)
class Upload:
    """A submission to Kaggle, resumable: the receipt on the disk is always up to date."""

    competition: Competition
    receipt_file: Path
    csv_file: Path
    reporter: Reporter

    def submit(self, new: Receipt, what: str, accuracy: Accuracy | None, *, force: bool) -> Receipt:
        """Make sure that the file is in Kaggle's list, and return its receipt.

        The `new` receipt lacks message and mark; the message begins with the user's words, `what`.
        With `force` the file is uploaded even if that was done before.

        Raises:
            UserError: The same file was submitted before, or Kaggle does not list the submission.
        """
        before = read_record(self.receipt_file, Receipt) if self.receipt_file.exists() else None
        mark = f"[drp-{secrets.token_hex(4)}]"
        if not force:
            same = {new.csv_sha256, sha256(self.csv_file)}  # older receipts have the file's own
            if before and before.csv_sha256 in same and before.status in ("submitting", "pending"):
                if found := self._find(before):
                    self.reporter.line(f"Going on with submission {found.reference}, made before.")
                    return self._update(before, found)
                # An upload that outlived our killed process may still arrive; with the same mark
                # it is found whichever of the two comes first.
                mark = before.mark
            self._refuse_duplicate(same)
        text = Message(new.run, accuracy, mark).compose(what)
        return self._upload(new.model_copy(update={"message": text, "mark": mark}), before)

    def _find(self, before: Receipt) -> Submission | None:
        """The submission of an interrupted call; None if it was certainly never made."""
        found, missing = self._look(before)
        if not found and before.status == "pending":
            raise UserError(
                f"Kaggle no longer lists submission {before.reference} of {self.csv_file}; "
                "are these the credentials it was made with? FORCE=1 uploads it again."
            )
        if not found and missing:
            raise UserError(
                f"whether {self.csv_file} was uploaded before is not known: no submission "
                f"that Kaggle shows is marked {before.mark}, but there may be more of "
                f"them, for {missing} Look for it at {self.competition.url}/submissions; "
                "FORCE=1 uploads it again."
            )
        return found

    def _upload(self, receipt: Receipt, before: Receipt | None) -> Receipt:
        write_record(self.receipt_file, receipt)
        self.reporter.line(f"Uploading {self.csv_file} to {self.competition.slug}.")
        fault: KaggleFault | None = None
        try:
            client.submit(self.competition, self.csv_file, receipt.message)
        except KaggleFault as error:
            fault = error
        except UserError:  # no credentials, no command
            self._put_back(before)
            raise
        refused = fault is not None and fault.refused
        try:
            found, _ = self._look(receipt, looks=1 if refused else _LOOKS)
        except KaggleFault as error:
            if not refused:
                raise UserError(
                    f"{fault or error} Whether the submission was made is not known, since "
                    "Kaggle's list cannot be read; `make submit` looks there before it uploads."
                ) from None
            found = None
        if found:
            self.reporter.line(f"Kaggle has it as submission {found.reference}.")
            return self._update(receipt, found)
        if fault and refused:
            self._put_back(before)
            raise UserError(f"{fault} Nothing was submitted.")
        raise UserError(
            f"nothing was submitted: {receipt.mark} is not in Kaggle's list, "
            + (f"and {fault}" if fault else "although the kaggle command reported success.")
            + " `make submit` looks there again before it uploads."
        )

    def wait(self, receipt: Receipt, poll_s: float, timeout_s: float) -> Receipt:
        """Look at the list until the submission is scored, and return its receipt.

        Between two looks it pauses for `poll_s`; it gives up after `timeout_s`.

        Raises:
            UserError: Kaggle could not score it, cannot be asked, or has not scored it in time.
        """
        if receipt.status == "pending":
            self.reporter.line(f"Waiting for the score, for at most {timeout_s:.0f} s.")
        start, elapsed_s, shown_s, num_failed = time.monotonic(), 0.0, 0, 0
        with self.reporter.bar("waiting for the score, s", int(timeout_s)) as bar:
            while receipt.status == "pending" and elapsed_s < timeout_s:
                bar.advance(int(elapsed_s) - shown_s, f"submission {receipt.reference}")
                shown_s = int(elapsed_s)
                try:
                    found, _ = self._look(receipt)
                    if found:
                        receipt = self._update(receipt, found)
                    num_failed = 0
                except KaggleFault as error:
                    num_failed += 1
                    if error.refused or num_failed == _MAX_FAILED_POLLS:
                        raise UserError(
                            f"{error} Submission {receipt.reference} was made; `make submit` "
                            "goes on waiting for its score."
                        ) from None
                if receipt.status == "pending":
                    time.sleep(min(poll_s, timeout_s - elapsed_s))
                elapsed_s = time.monotonic() - start
        if receipt.status == "pending":
            raise UserError(
                f"submission {receipt.reference} is still not scored after {timeout_s:.0f} s; "
                "`make submit` goes on waiting for it."
            )
        if receipt.status != "complete":
            raise UserError(
                f"Kaggle could not score submission {receipt.reference} of {self.csv_file}: "
                f"{receipt.error} The receipt is {self.receipt_file}."
            )
        if limits := client.submission_limits(self.competition):
            self.reporter.line(f"Submissions left today: {limits.num_left}")
        return receipt

    def _look(self, receipt: Receipt, looks: int = 1) -> tuple[Submission | None, str]:
        """The receipt's submission, if Kaggle has it; and why it might be there all the same."""
        missing = ""
        for look in range(looks):
            if look:
                time.sleep(1.0)
            try:
                listing = client.list_submissions(self.competition, until=receipt.mark)
            except KaggleFault as error:
                if error.refused or look == looks - 1:
                    raise
                continue
            for submission in listing.submissions:
                if receipt.mark in submission.description:
                    return submission, ""
            missing = listing.missing
        if receipt.reference:
            asked = client.ask_for(self.competition, receipt.reference)
            if asked and receipt.mark in asked.description:
                return asked, ""
        return None, missing

    def _update(self, receipt: Receipt, found: Submission) -> Receipt:
        """The receipt with what Kaggle says now; written if that is new."""
        update: dict[str, object] = {"reference": found.reference, "status": found.status}
        if found.status == "complete":
            update["score"] = found.score
        elif found.status == "error":
            asked = client.ask_for(self.competition, found.reference)
            update["error"] = (asked and asked.error) or (
                f"the reason stands at {self.competition.url}/submissions."
            )
        else:
            update["status"] = "pending"
        updated = receipt.model_copy(update=update)
        if updated != receipt:
            write_record(self.receipt_file, updated)
        return updated

    def _put_back(self, before: Receipt | None) -> None:
        """Leave the receipt as it was before an upload that was refused."""
        if before is None:
            self.receipt_file.unlink()
        else:
            write_record(self.receipt_file, before)

    def _refuse_duplicate(self, same: set[str]) -> None:
        """Refuse what Kaggle already has, under whatever run's name."""
        for path in sorted(self.receipt_file.parent.glob("*.json")):
            try:
                receipt = read_record(path, Receipt)
            except (UserError, OSError):
                continue  # not a receipt: nothing can be known from it
            if (
                receipt.competition == self.competition.slug
                and receipt.csv_sha256 in same
                and receipt.status in ("complete", "pending")
            ):
                score = "not scored yet" if receipt.score is None else f"{receipt.score:.5f}"
                raise UserError(
                    f"{self.csv_file} was already submitted as submission {receipt.reference} "
                    f"(run {receipt.run}, {receipt.submitted_at}, public score: {score}); "
                    "FORCE=1 uploads it again."
                )
