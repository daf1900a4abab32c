"""`make leaderboard`: the submissions that Kaggle lists, beside what was expected of them."""

import csv
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.competition import get_competition
from pipeline.data.files import write_record
from pipeline.errors import UserError
from pipeline.report.submissions_table import list_entries, summarise
from pipeline.runs.scoring import Accuracy, expect_score
from pipeline.runs.workspace import Workspace
from tests.kaggle.conftest import DIGITS, NUM_TEST, read_receipt, submit_cnn, write_run
from tests.kaggle.server import Answer, KaggleServer

REPOSITORY = Path(__file__).parents[2]


def add_by_hand(server: KaggleServer, description: str, score: str) -> None:
    """A submission made in a browser."""
    server.score = score
    server.act("CreateSubmission", {"submissionDescription": description})
    server.act("ListSubmissions", {})


def test_every_submission_is_listed_and_ours_are_judged(
    kaggle_server: KaggleServer, workspace: Workspace
) -> None:
    add_by_hand(kaggle_server, "a notebook of mine", "0.98914")
    kaggle_server.score = "0.90000"
    first = submit_cnn(workspace)
    kaggle_server.score = "0.50000"
    write_run(workspace, "cnn", np.zeros(NUM_TEST, int))
    submit_cnn(workspace)  # takes the place of the first receipt
    entries, notes = list_entries(DIGITS, workspace)
    assert notes == []
    second, before, other = entries
    assert [entry.verdict for entry in entries] == ["below", "inside", ""]
    assert (second.run, second.score, second.expected) == ("cnn", 0.5, first.expected)
    # Only the message is left to say what was known then; the board has 28,000 images.
    assert (before.run, before.valid, before.reference) == (
        "cnn",
        Accuracy(18, 20),
        first.reference,
    )
    assert before.expected == expect_score(Accuracy(18, 20), 28_000)
    assert (other.run, other.message, other.score) == ("", "a notebook of mine", 0.98914)
    assert (other.valid, other.expected) == (None, None)
    assert summarise(entries) == "1 of 2 scores inside their 95 % intervals (1 below)"


def test_what_is_not_scored_yet_is_listed_but_not_counted(
    kaggle_server: KaggleServer, workspace: Workspace
) -> None:
    kaggle_server.num_pending_polls = 10**9
    with pytest.raises(UserError, match="still not scored"):
        submit_cnn(workspace, timeout_s=0.5)
    entries, _ = list_entries(DIGITS, workspace)
    assert [(entry.status, entry.score) for entry in entries] == [("pending", None)]
    assert summarise(entries).startswith("no score yet")


def test_receipts_that_are_damaged_or_of_another_account_are_named(
    kaggle_server: KaggleServer, workspace: Workspace
) -> None:
    submit_cnn(workspace)
    elsewhere = read_receipt(workspace).model_copy(update={"run": "dnn", "mark": "[drp-0123abcd]"})
    write_record(workspace.receipt("dnn"), elsewhere)
    workspace.receipt("broken").write_text("{")
    entries, notes = list_entries(DIGITS, workspace)
    assert [entry.run for entry in entries] == ["cnn"]
    damaged, unlisted = notes
    assert "broken.json is not a readable Receipt" in damaged
    assert unlisted == (
        "submissions/dnn.json: Kaggle's list of your newest 1 submissions has none marked "
        "[drp-0123abcd]."
    )


def test_a_kaggle_that_cannot_be_asked_is_an_error(
    kaggle_server: KaggleServer, workspace: Workspace
) -> None:
    kaggle_server.fault("ListSubmissions", Answer(503, "<html>"))
    with pytest.raises(UserError, match="Kaggle itself has a fault"):
        list_entries(DIGITS, workspace)


def test_practice_needs_no_kaggle(kaggle_server: KaggleServer, workspace: Workspace) -> None:
    practice = get_competition("practice")
    assert list_entries(practice, workspace) == ([], [])
    receipt = submit_cnn(workspace).model_copy(update={"competition": "practice", "mark": ""})
    num_requests = len(kaggle_server.requests)
    for run, day, score in (("old", "01", 0.2), ("new", "02", 0.9)):
        changes = {"run": run, "submitted_at": f"2026-01-{day}T00:00:00+00:00", "score": score}
        write_record(workspace.receipt(run), receipt.model_copy(update=changes))
    entries, _ = list_entries(practice, workspace)
    assert [(entry.run, entry.verdict) for entry in entries] == [
        ("new", "inside"),
        ("old", "below"),
    ]
    assert len(kaggle_server.requests) == num_requests


def test_the_command_line_prints_a_table_or_csv(
    kaggle_server: KaggleServer, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    add_by_hand(kaggle_server, 'wider,\n"deeper" ' + 100 * "x", "0.98914")
    submit_cnn(workspace)
    command = [sys.executable, "-m", "pipeline", "leaderboard"]
    shown = subprocess.run(command, cwd=workspace.root, capture_output=True, text=True)
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "1 of 1 score inside its 95 % interval"
    assert any("0.9000     20 0.6667-1.0000 0.98914 inside" in line for line in lines)
    printed = subprocess.run(
        [*command, "--csv"], cwd=workspace.root, capture_output=True, text=True
    )
    ours, other = csv.DictReader(io.StringIO(printed.stdout))
    assert (ours["run"], ours["verdict"], ours["valid_total"]) == ("cnn", "inside", "20")
    assert other["message"].startswith('wider,\n"deeper"') and other["verdict"] == ""
