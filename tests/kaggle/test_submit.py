"""Submitting with the real `kaggle` command: upload, list, wait, receipt; and its faults."""

import hashlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.files import write_record
from pipeline.errors import UserError
from pipeline.runs.records import Receipt
from pipeline.runs.scoring import Accuracy, expect_score
from pipeline.runs.workspace import Workspace
from tests.kaggle.conftest import DIGITS, NUM_TEST, read_receipt, submit, submit_cnn, write_run
from tests.kaggle.server import (
    HTML,
    KEY,
    Answer,
    Drop,
    Fault,
    Hang,
    KaggleServer,
    refusal,
)
from tests.lines import Lines

REPOSITORY = Path(__file__).parents[2]


def test_a_submission_is_made_found_and_scored(
    kaggle_server: KaggleServer, workspace: Workspace
) -> None:
    kaggle_server.num_pending_polls = 2
    reporter = Lines()
    receipt = submit_cnn(workspace, reporter, message="wider\nnet")
    assert receipt == read_receipt(workspace)
    assert (receipt.status, receipt.score, receipt.reference) == ("complete", 0.99642, "50000000")
    assert (receipt.valid_correct, receipt.valid_total, receipt.folds) == (18, 20, [0])
    assert list(kaggle_server.uploads.values()) == [workspace.submission("cnn").read_bytes()]
    description = kaggle_server.submissions[0]["description"]
    assert description == receipt.message
    assert description.startswith(
        "wider net | run cnn | validation 0.9000 (18/20, 95 % 0.6990-0.97"
    )
    assert description.endswith(receipt.mark)
    assert receipt.expected == expect_score(Accuracy(18, 20), NUM_TEST)
    assert reporter.lines[-5] == "score       0.99642 (public leaderboard)"
    # 0.99642 of 30 images: all of them.
    assert reporter.lines[-4] == ("expected    0.9000, 95 % 0.6667-1.0000; the score lies inside")
    assert reporter.lines[-3].startswith("validation  0.9000 (18/20, ")
    assert reporter.lines[-2:] == [
        "submission  submissions/cnn.csv",
        "receipt     submissions/cnn.json",
    ]
    assert "Submissions left today: 4" in reporter.lines
    assert KEY not in workspace.receipt("cnn").read_text()


def test_the_same_file_is_not_sent_twice(kaggle_server: KaggleServer, workspace: Workspace) -> None:
    submit_cnn(workspace)
    write_run(workspace, "other", np.arange(NUM_TEST) % 10)  # another run, the same predictions
    with pytest.raises(
        UserError, match=r"already submitted as submission 50000000 \(run cnn, .*0.9"
    ):
        submit("other", DIGITS, workspace, Lines())
    assert not workspace.receipt("other").exists()
    assert kaggle_server.count("CreateSubmission") == 1
    receipt = submit("other", DIGITS, workspace, Lines(), force=True)
    assert receipt.reference == "50000001"


def mark_with_bom(content: bytes) -> bytes:
    return b"\xef\xbb\xbf" + content


def use_crlf(content: bytes) -> bytes:
    return content.replace(b"\n", b"\r\n")


@pytest.mark.parametrize(
    "rewrite",
    [use_crlf, mark_with_bom, lambda content: content + b"\n", bytes.rstrip],
    ids=["CRLF", "byte-order mark", "blank last line", "no last line end"],
)
@pytest.mark.parametrize("is_rewritten_before", [False, True])
def test_the_same_labels_in_other_bytes_are_not_sent_twice(
    kaggle_server: KaggleServer,
    workspace: Workspace,
    rewrite: Callable[[bytes], bytes],
    is_rewritten_before: bool,
) -> None:
    csv_file = workspace.submission("cnn")
    original = csv_file.read_bytes()
    versions = [original, rewrite(original)]
    assert versions[0] != versions[1]
    csv_file.write_bytes(versions[is_rewritten_before])
    submit_cnn(workspace)
    csv_file.write_bytes(versions[not is_rewritten_before])
    with pytest.raises(UserError, match="already submitted as submission 50000000"):
        submit_cnn(workspace)
    assert kaggle_server.count("CreateSubmission") == 1


def test_receipts_with_the_hash_of_the_files_bytes_still_count(
    kaggle_server: KaggleServer, workspace: Workspace
) -> None:
    csv_file = workspace.submission("cnn")
    for content in (csv_file.read_bytes(), use_crlf(csv_file.read_bytes())):
        csv_file.write_bytes(content)
        receipt = submit_cnn(workspace, force=True)
        of_the_bytes = hashlib.sha256(content).hexdigest()
        old = receipt.model_copy(update={"csv_sha256": of_the_bytes})
        write_record(workspace.receipt("cnn"), old)
        with pytest.raises(UserError, match=f"already submitted as submission {old.reference}"):
            submit_cnn(workspace)


def test_a_failed_scoring_is_an_error(kaggle_server: KaggleServer, workspace: Workspace) -> None:
    kaggle_server.scoring_error = "Submission must have 30 rows"
    with pytest.raises(UserError, match="could not score submission 50000000") as error:
        submit_cnn(workspace)
    receipt = read_receipt(workspace)
    assert receipt.status == "error"
    assert receipt.error == "Submission must have 30 rows"
    assert str(receipt.error) in str(error.value)


def test_an_upload_that_the_storage_refuses_is_noticed(
    kaggle_server: KaggleServer, workspace: Workspace
) -> None:
    kaggle_server.fault("Upload", Answer(403, "expired"))
    with pytest.raises(UserError, match=r"storage did not take the upload.*Nothing was submitted"):
        submit_cnn(workspace)
    assert kaggle_server.count("CreateSubmission") == 0
    assert not workspace.receipt("cnn").exists()


def test_a_connection_lost_after_it_counted_is_resolved_by_listing(
    kaggle_server: KaggleServer, workspace: Workspace
) -> None:
    kaggle_server.fault("CreateSubmission", Drop(after=True), times=1)
    assert submit_cnn(workspace).status == "complete"
    assert kaggle_server.count("CreateSubmission") == 1


def test_a_connection_lost_before_it_counted_can_be_tried_again(
    kaggle_server: KaggleServer, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.kaggle.upload._LOOKS", 1)
    kaggle_server.fault("CreateSubmission", Drop(), times=1)
    with pytest.raises(UserError, match=r"nothing was submitted: .* the connection to Kaggle"):
        submit_cnn(workspace)
    assert read_receipt(workspace).status == "submitting"
    assert submit_cnn(workspace).status == "complete"
    assert len(kaggle_server.submissions) == 1


def test_success_that_no_list_confirms_is_an_error(
    kaggle_server: KaggleServer, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.kaggle.upload._LOOKS", 2)
    empty = Answer(200, {"submissions": []})
    kaggle_server.fault("ListSubmissions", empty, times=2)
    with pytest.raises(UserError, match="although the kaggle command reported success"):
        submit_cnn(workspace)
    # It only took its time: the next call finds it, and does not send it again.
    assert submit_cnn(workspace).status == "complete"
    assert kaggle_server.count("CreateSubmission") == 1


def test_neither_upload_nor_list_answer(
    kaggle_server: KaggleServer, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.kaggle.upload._LOOKS", 1)
    kaggle_server.fault("CreateSubmission", Drop(after=True), times=1)
    kaggle_server.fault("ListSubmissions", HTML, times=1)
    with pytest.raises(UserError, match="Whether the submission was made is not known"):
        submit_cnn(workspace)
    assert submit_cnn(workspace).status == "complete"
    assert kaggle_server.count("CreateSubmission") == 1


def test_a_killed_submit_is_taken_up_again(
    kaggle_server: KaggleServer, workspace: Workspace
) -> None:
    kaggle_server.num_pending_polls = 10**9
    program = (
        "from pathlib import Path; from pipeline.runs.workspace import Workspace;"
        "from pipeline.console import Silent;"
        "from pipeline.commands.submit import Submit;"
        f"Submit(run='cnn')(Workspace(Path({str(workspace.root)!r})), Silent())"
    )
    killed = subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY)
    while not kaggle_server.submissions:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert read_receipt(workspace).status in ("submitting", "pending")
    kaggle_server._polls_left.clear()
    reporter = Lines()
    assert submit_cnn(workspace, reporter).status == "complete"
    assert reporter.lines[0] == "Going on with submission 50000000, made before."
    assert kaggle_server.count("CreateSubmission") == 1


def test_a_score_that_does_not_come_is_waited_for_again(
    kaggle_server: KaggleServer, workspace: Workspace
) -> None:
    kaggle_server.num_pending_polls = 10**9
    with pytest.raises(UserError, match="50000000 is still not scored after 1 s; `make submit`"):
        submit_cnn(workspace, timeout_s=1.0)
    assert read_receipt(workspace).status == "pending"
    kaggle_server._polls_left.clear()
    assert submit_cnn(workspace).score == 0.99642
    assert kaggle_server.count("CreateSubmission") == 1


def test_an_interrupt_while_waiting_leaves_a_receipt_to_go_on_from(
    kaggle_server: KaggleServer, workspace: Workspace
) -> None:
    class Interrupting(Lines):
        def advance(self, amount: int = 1, note: str = "") -> None:
            raise KeyboardInterrupt

    kaggle_server.num_pending_polls = 1
    with pytest.raises(KeyboardInterrupt):
        submit_cnn(workspace, Interrupting())
    assert read_receipt(workspace).status == "pending"
    assert submit_cnn(workspace).status == "complete"
    assert kaggle_server.count("CreateSubmission") == 1


def test_some_failed_looks_at_the_list_do_not_end_the_wait(
    kaggle_server: KaggleServer, workspace: Workspace
) -> None:
    class Disturbing(Lines):
        def line(self, text: str) -> None:
            if text.startswith("Waiting"):
                kaggle_server.fault("ListSubmissions", Answer(503, "<html>"), times=2)

    kaggle_server.num_pending_polls = 1
    assert submit_cnn(workspace, Disturbing()).status == "complete"
    assert kaggle_server.count("ListSubmissions") == 4


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (
            refusal(400, "You have exceeded your daily submission limit (5)."),
            "you have no submission left today (You have exceeded your daily submission limit",
        ),
        (
            refusal(400, "Invalid file: 29 rows"),
            'Kaggle refused with the words "Invalid file: 29 rows"',
        ),
        (refusal(403, "Please accept the rules first"), "digit-recognizer/rules, accept them"),
    ],
)
def test_a_refusal_leaves_the_receipt_as_it_was(
    kaggle_server: KaggleServer, workspace: Workspace, fault: Fault, sentence: str
) -> None:
    earlier = Receipt(
        run="cnn",
        competition=DIGITS.slug,
        csv_sha256="of another file",
        message="m",
        mark="[drp-00000000]",
        submitted_at="2026-01-01T00:00:00+00:00",
        folds=[0],
        valid_correct=9,
        valid_total=10,
        status="complete",
        score=0.99,
    )
    write_record(workspace.receipt("cnn"), earlier)
    kaggle_server.fault("CreateSubmission", fault)
    with pytest.raises(UserError) as error:
        submit_cnn(workspace)
    assert sentence in str(error.value)
    assert str(error.value).endswith("Nothing was submitted.")
    assert read_receipt(workspace) == earlier


def test_no_credentials(
    kaggle_server: KaggleServer, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAGGLE_USERNAME")
    with pytest.raises(UserError, match="there are no Kaggle credentials; make an API token"):
        submit_cnn(workspace)
    assert not workspace.receipt("cnn").exists()


def test_a_server_that_never_answers_is_not_waited_for(
    kaggle_server: KaggleServer, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.kaggle.client._SUBMIT_TIMEOUT_S", 2.0)
    kaggle_server.fault("StartSubmissionUpload", Hang(20.0))
    monkeypatch.setattr("pipeline.kaggle.upload._LOOKS", 1)
    with pytest.raises(UserError, match="did not answer in time"):
        submit_cnn(workspace)


def test_the_command_line_prints_score_or_sentence(
    kaggle_server: KaggleServer, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    command = [sys.executable, "-m", "pipeline", "submit", "--run", "cnn"]
    scored = subprocess.run(command, cwd=workspace.root, capture_output=True, text=True)
    assert (scored.returncode, scored.stderr) == (0, "")
    assert "score       0.99642 (public leaderboard)" in scored.stdout
    again = subprocess.run(command, cwd=workspace.root, capture_output=True, text=True)
    assert again.returncode == 1
    assert "already submitted as submission 50000000" in again.stderr
    assert "Traceback" not in again.stderr
    assert KEY not in scored.stdout + again.stdout + again.stderr
