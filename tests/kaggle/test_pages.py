"""Kaggle lists fifty submissions at a time: the others are asked for, by the real command."""

import pytest

from pipeline.errors import UserError
from pipeline.kaggle.client import list_submissions
from pipeline.report.submissions_table import list_entries
from pipeline.runs.workspace import Workspace
from tests.kaggle.conftest import DIGITS, read_receipt, submit_cnn
from tests.kaggle.server import Answer, Drop, KaggleServer, refusal
from tests.lines import Lines


def add(server: KaggleServer, number: int) -> None:
    """Submissions made elsewhere, newer than those that are there."""
    server.num_allowed += number
    for _ in range(number):
        server.act("CreateSubmission", {"submissionDescription": "made elsewhere"})


def leave_waiting(server: KaggleServer, workspace: Workspace) -> None:
    """A submission of ours that waits for its score and is not on the first page any more."""
    server.num_pending_polls = 10**9
    with pytest.raises(UserError, match="still not scored"):
        submit_cnn(workspace, timeout_s=0.5)
    server.num_pending_polls = 0
    add(server, 50)


@pytest.mark.parametrize("number", [19, 20, 50, 51, 120])
def test_all_pages_are_read(kaggle_server: KaggleServer, number: int) -> None:
    add(kaggle_server, number)
    listing = list_submissions(DIGITS)
    references = [int(each.reference) for each in listing.submissions]
    assert references == [each["ref"] for each in kaggle_server.submissions]
    assert (len(references), listing.missing) == (number, "")


def test_the_one_waiting_is_the_51st(kaggle_server: KaggleServer, workspace: Workspace) -> None:
    leave_waiting(kaggle_server, workspace)
    kaggle_server.fault("GetSubmission", refusal(404, "Submission not found"))  # only the list has
    kaggle_server._polls_left.clear()
    reporter = Lines()
    assert submit_cnn(workspace, reporter).status == "complete"
    assert reporter.lines[0] == "Going on with submission 50000000, made before."
    assert kaggle_server.count("CreateSubmission") == 1


def test_it_is_asked_for_by_its_number_where_pages_cannot_be_turned(
    kaggle_server: KaggleServer, workspace: Workspace
) -> None:
    leave_waiting(kaggle_server, workspace)
    kaggle_server.turns_pages = False
    kaggle_server._polls_left.clear()
    receipt = submit_cnn(workspace)
    assert (receipt.status, receipt.score) == ("complete", 0.99642)
    assert kaggle_server.count("CreateSubmission") == 1


def test_one_that_is_nowhere_is_told_from_one_that_may_be_further_down(
    kaggle_server: KaggleServer, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.kaggle.upload._LOOKS", 1)
    kaggle_server.fault("CreateSubmission", Drop(), times=1)
    with pytest.raises(UserError, match="nothing was submitted"):
        submit_cnn(workspace)
    assert read_receipt(workspace).status == "submitting"
    add(kaggle_server, 50)
    kaggle_server.turns_pages = False
    with pytest.raises(UserError, match=r"is not known: no submission .* again and again.*FORCE=1"):
        submit_cnn(workspace)
    kaggle_server.turns_pages = True
    assert submit_cnn(workspace).status == "complete"
    assert kaggle_server.count("CreateSubmission") == 2


def test_the_leaderboard_says_where_it_ends_too_soon(
    kaggle_server: KaggleServer, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(kaggle_server, 60)
    entries, notes = list_entries(DIGITS, workspace)
    assert (len(entries), notes) == (60, [])
    kaggle_server.turns_pages = False
    entries, notes = list_entries(DIGITS, workspace)
    assert len(entries) == 50
    assert notes == [
        "older submissions may be missing here: Kaggle shows the same page again and again."
    ]
    kaggle_server.turns_pages = True
    monkeypatch.setattr("pipeline.kaggle.client._MOST_PAGES", 1)
    entries, notes = list_entries(DIGITS, workspace)
    assert notes == ["older submissions may be missing here: only the newest 50 were read."]


def test_a_page_that_fails_ends_the_list_and_not_the_command(
    kaggle_server: KaggleServer, workspace: Workspace
) -> None:
    add(kaggle_server, 60)
    entries = kaggle_server.submissions[:50]
    kaggle_server.fault("ListSubmissions", Answer(200, {"submissions": entries}), times=1)
    kaggle_server.fault("ListSubmissions", Answer(503, "<html>"), times=1)
    listed, notes = list_entries(DIGITS, workspace)
    assert len(listed) == 50
    assert "Kaggle did not show more of them: Kaggle itself has a fault" in notes[0]
