"""What is refused, or done, before anything is asked of Kaggle."""

import numpy as np
import pytest

from pipeline.data.competition import get_competition
from pipeline.data.files import locked
from pipeline.errors import UserError
from pipeline.runs.workspace import Workspace
from tests.disk import write_run_on_all_data
from tests.kaggle.conftest import DIGITS, NUM_TEST, submit, submit_cnn, write_csv, write_run
from tests.kaggle.server import KaggleServer
from tests.lines import Lines


def test_practice_is_graded_here_and_never_uploaded(
    kaggle_server: KaggleServer, workspace: Workspace
) -> None:
    practice = get_competition("practice")
    with pytest.raises(UserError, match="belongs to COMPETITION=digit-recognizer and cannot be"):
        submit("cnn", practice, workspace, Lines())
    write_run(workspace, "cnn", np.minimum(np.arange(NUM_TEST) % 10, 8))
    write_run_on_all_data(workspace, "all")
    folder = workspace.input(practice).folder
    workspace.input(DIGITS).folder.rename(folder)
    configs = [workspace.run(run).config for run in ("cnn", "all")]
    for path in (*configs, folder / "manifest.json"):
        path.write_text(path.read_text().replace("digit-recognizer", "practice"))
    write_csv(folder / "solution.csv", np.arange(NUM_TEST) % 10)
    reporter = Lines()
    for _ in range(2):  # it may be repeated
        receipt = submit("cnn", practice, workspace, reporter)
    assert (receipt.competition, receipt.status, receipt.mark) == ("practice", "complete", "")
    assert receipt.score == pytest.approx(0.9)
    assert reporter.lines[0] == "score       0.90000 (practice leaderboard, graded here)"
    assert reporter.lines[2].startswith("validation  0.9000 (18/20, ")
    with pytest.raises(UserError, match="belongs to COMPETITION=practice and cannot be"):
        submit("cnn", DIGITS, workspace, Lines())
    receipt = submit("all", practice, workspace, reporter)
    assert (receipt.valid_correct, receipt.valid_total, receipt.expected) == (0, 0, None)
    assert "validation  none: trained on all rows" in reporter.lines
    assert not kaggle_server.requests


@pytest.mark.parametrize("fault", ["rows", "ids", "labels", "header", "missing"])
def test_a_file_that_does_not_fit_is_not_sent(
    kaggle_server: KaggleServer, workspace: Workspace, fault: str
) -> None:
    csv_file = workspace.submission("cnn")
    text = csv_file.read_text()
    changed = {
        "rows": text.rpartition("30,")[0],
        "ids": text.replace("\n1,", "\n31,"),
        "labels": text.replace("\n9,8", "\n9,10"),
        "header": text.replace("Label", "label"),
    }
    if fault == "missing":
        csv_file.unlink()
    else:
        csv_file.write_text(changed[fault])
    with pytest.raises(UserError, match=r"cnn\.csv.*`make predict"):
        submit_cnn(workspace)
    assert not kaggle_server.requests


def test_a_finding_of_the_audit_stops_the_upload_unless_forced(
    kaggle_server: KaggleServer, workspace: Workspace
) -> None:
    write_csv(workspace.submission("cnn"), np.zeros(NUM_TEST, int))
    with pytest.raises(UserError, match=r"audit of run cnn found submission: 27 of 30 .*FORCE=1"):
        submit_cnn(workspace)
    assert not kaggle_server.requests
    assert not workspace.receipt("cnn").exists()
    reporter = Lines()
    receipt = submit_cnn(workspace, reporter, force=True)
    assert receipt.findings == ["submission: 27 of 30 predictions are not the run's own"]
    assert reporter.lines[0] == f"submitted in spite of the audit: {receipt.findings[0]}"
    assert receipt.status == "complete"


def test_what_is_missing_is_named(kaggle_server: KaggleServer, workspace: Workspace) -> None:
    with pytest.raises(UserError, match=r"there is no run dnn; .*`make train RUN=dnn`"):
        submit("dnn", DIGITS, workspace, Lines())
    assert not workspace.run("dnn").folder.exists()
    config = workspace.run("cnn").config
    text = config.read_text()
    config.write_text(text.replace('digits_sha256 = "', 'digits_sha256 = "0'))
    with pytest.raises(UserError, match="run cnn was trained on other data"):
        submit_cnn(workspace)
    config.write_text(text)
    workspace.run("cnn").oof.unlink()
    with pytest.raises(UserError, match="run cnn has no out-of-fold probabilities"):
        submit_cnn(workspace)
    assert not kaggle_server.requests


def test_two_at_once(kaggle_server: KaggleServer, workspace: Workspace) -> None:
    with (
        locked(workspace.run("cnn").lock, "run cnn"),
        pytest.raises(UserError, match="run cnn is being written by another process"),
    ):
        submit_cnn(workspace)
    assert not kaggle_server.requests
