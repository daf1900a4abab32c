"""`make kernel` with the real `kaggle` command against a loopback Kaggle that runs the script."""

import ast
import base64
import io
import json
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pipeline.commands.kernel import Kernel
from pipeline.commands.train import Train
from pipeline.console import Silent
from pipeline.data.competition import get_competition
from pipeline.data.files import read_record, write_record
from pipeline.data.folds import ALL_DATA
from pipeline.data.manifest import load_manifest
from pipeline.errors import UserError
from pipeline.runs.records import FoldFacts, RunConfig
from pipeline.runs.workspace import Workspace
from pipeline.training.session import Job, JobRun, lay_down, main
from tests import tiny
from tests.kaggle.server import KEY, Answer, Drop, KaggleServer
from tests.kaggle.sessions import Sessions
from tests.lines import Lines

pytestmark = pytest.mark.machine

KNOBS = {
    "competition": "digit-recognizer",
    "model": "plain_cnn",
    "augment": "none",
    "epochs": "2",
    "folds": "0,1",
    "device": "cpu",
    "set": "batch_size=64",
}


@pytest.fixture
def sessions(
    kaggle_server: KaggleServer, workspace: Workspace, tmp_path: Path
) -> Iterator[Sessions]:
    """Kaggle's machines, with the workspace's own CSV files mounted."""
    mounted = tmp_path / "mounted" / "competitions" / "digit-recognizer"
    mounted.mkdir(parents=True)
    for file in workspace.root.glob("input/digit-recognizer/*.csv"):
        if file.name != "folds.csv":
            shutil.copy(file, mounted)
    kaggle_server.sessions = Sessions(tmp_path / "sessions", tmp_path / "mounted")
    yield kaggle_server.sessions
    kaggle_server.sessions.close()


def kernel(workspace: Workspace, reporter: Lines | None = None, **knobs: Any) -> Lines:
    """Type `make kernel`; return what it said."""
    reporter = reporter or Lines()
    Kernel(**KNOBS | knobs)(workspace, reporter, poll_s=0.2)
    return reporter


def the_run(workspace: Workspace) -> str:
    """The name of the run that the knobs mean."""
    return Kernel(**KNOBS).specify_any(workspace).name


class Leaving(Lines):
    """Types Ctrl-C when it reads such a line."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self._at = at

    def line(self, text: str) -> None:
        super().line(text)
        if self._at in text:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_what_was_trained_there_is_the_run_that_would_have_been_trained_here(
    workspace, kaggle_server, sessions
):
    here = Lines()
    Train(**KNOBS | {"run": "here"})(workspace, here)
    with pytest.raises(KeyboardInterrupt):
        kernel(workspace, Leaving("at Kaggle: running"))
    said = kernel(workspace).text  # the same command goes on
    assert "started before" in said
    assert "epoch 2/2" in said
    assert "the session ended: finished" in said
    assert "2 folds, out of fold: accuracy" in said
    assert kaggle_server.count("SaveKernel") == 1, "nothing is pushed twice"

    name = the_run(workspace)
    there, mine = workspace.run(name), workspace.run("here")
    for fold in (0, 1):
        theirs, ours = load_file(there.fold(fold).weights), load_file(mine.fold(fold).weights)
        assert all(np.array_equal(theirs[key], ours[key]) for key in ours)
        facts = read_record(there.fold(fold).facts, FoldFacts)
        assert "Kaggle (somebody/" in facts.place
        assert "torch 2" in facts.place
    config = read_record(there.config, RunConfig)
    assert config.settings["device"] == "cpu", "as it was asked for here"
    assert not workspace.kernel(name).exists()
    assert "nothing to train" in kernel(workspace).text
    assert kaggle_server.count("SaveKernel") == 1

    request = next(iter(sessions.pushed.values())).request
    assert request["isPrivate"] is True
    assert request["enableInternet"] is False
    assert request["machineShape"] == "NvidiaTeslaT4"
    assert request["competitionDataSources"] == ["digit-recognizer"]
    assert request["sessionTimeoutSeconds"] == 3600
    assert len(request["newTitle"]) <= 50
    ast.parse(request["text"])
    assert KEY not in request["text"]
    assert str(Path.home()) not in request["text"]


def test_a_session_trains_on_what_it_has_itself(tiny_workspace):
    """Whatever device, processes and cluster were asked for here."""
    asked = tiny.spec(tiny_workspace, cluster="ray://here:1", jobs=7, folds="all")
    run = JobRun.of(asked, "3,4")
    there = run.left.settings
    assert run.spec == asked
    assert (there.cluster, there.device, there.jobs, there.folds) == ("", "auto", "auto", "3,4")
    assert there.identity() == asked.settings.identity()


def refused(workspace: Workspace, **knobs: Any) -> str:
    with pytest.raises(UserError) as caught:
        kernel(workspace, **knobs)
    return str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Maximum batch GPU session count of 2 reached.", "wait until one has ended"),
        ("Maximum weekly GPU quota of 30.00 hours reached.", "after 2026-01-10"),
        ("Phone verification is needed", "https://www.kaggle.com/settings"),
        ("Notebook is too strange", 'refused the script with the words "Notebook is too strange"'),
    ],
)
def test_a_refused_push_says_why_and_leaves_nothing(workspace, sessions, said, expected):
    sessions.refuse = said
    assert expected in refused(workspace)
    assert not workspace.kernel(the_run(workspace)).exists()


@pytest.mark.slow
def test_a_used_up_quota_is_known_before_anything_is_pushed(workspace, kaggle_server, sessions):
    sessions.hours_used = 30.0
    assert "there are new ones after 2026-01-10" in refused(workspace)
    assert kaggle_server.count("SaveKernel") == 0


@pytest.mark.slow
def test_a_push_whose_answer_was_lost_is_found_again(workspace, kaggle_server, sessions):
    kaggle_server.fault("SaveKernel", Drop(after=True), times=1)
    assert "the connection to Kaggle" in refused(workspace)
    sessions.end = ("CANCEL_ACKNOWLEDGED", "")
    said = refused(workspace)
    assert "was stopped" in said
    assert kaggle_server.count("SaveKernel") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (("ERROR", "Your notebook tried to allocate more memory than is available."), "memory"),
        (("CANCEL_ACKNOWLEDGED", ""), "was stopped and left nothing"),
        (("COMPLETE", ""), "ended and left nothing"),
    ],
)
def test_a_session_that_left_nothing_is_told_with_its_page(workspace, sessions, end, expected):
    sessions.end = end
    said = refused(workspace)
    assert expected in said
    assert "https://www.kaggle.com/code/somebody/" in said
    assert "FORCE=1" in said


@pytest.mark.slow
def test_a_damaged_output_is_fetched_again_by_the_same_command(workspace, kaggle_server, sessions):
    sessions.spoil = True
    assert "another checksum" in refused(workspace)
    sessions.spoil = False
    assert "the session ended: finished" in kernel(workspace).text
    assert kaggle_server.count("SaveKernel") == 1


@pytest.mark.slow
def test_a_session_without_the_competitions_files_says_so(workspace, sessions, tmp_path):
    sessions.lost_sources = True
    assert "accept the rules" in refused(workspace)


@pytest.mark.slow
def test_a_deleted_session_and_a_network_fault_are_told_apart(workspace, kaggle_server, sessions):
    with pytest.raises(KeyboardInterrupt):
        kernel(workspace, Leaving("started; look at it"))
    kaggle_server.fault("GetKernelSessionStatus", Answer(200, "<html>sign in</html>"), times=5)
    assert "the same command waits for it" in refused(workspace)
    sessions.pushed.clear()
    assert "knows no session somebody/" in refused(workspace)


@pytest.mark.slow
def test_time_that_is_up_brings_home_what_is_finished(workspace, kaggle_server, sessions):
    """120 s before its end a session stops: at 0.2 h, after 600; here, nearly at once."""
    with pytest.raises(KeyboardInterrupt):
        kernel(workspace, Leaving("started; look at it"), epochs="9000")
    # As if the ten minutes were over soon: the script that runs is this one.
    session = next(iter(sessions.pushed.values()))
    session.request["text"] = shortened(session.request["text"], seconds=150)
    said = refused(workspace, epochs="9000")
    assert "2 networks left to train" in said


def shortened(script: str, seconds: float) -> str:
    """The same script with less time."""
    packed = re.search(r'PACKED = "(.*)"', script)[1]
    content, buffer = io.BytesIO(base64.b85decode(packed)), io.BytesIO()
    with (
        tarfile.open(fileobj=content, mode="r:xz") as source,
        tarfile.open(fileobj=buffer, mode="w:xz") as target,
    ):
        for member in source:
            content = source.extractfile(member).read()
            if member.name == "job.json":
                content = json.dumps(json.loads(content) | {"seconds": seconds}).encode()
                member.size = len(content)
            target.addfile(member, io.BytesIO(content))
    return script.replace(packed, base64.b85encode(buffer.getvalue()).decode())


def test_what_is_not_asked_of_the_network(workspace, kaggle_server, monkeypatch, sessions):
    assert "HOURS=13 must be a number of hours, 0.2 to 12" in refused(workspace, hours="13")
    monkeypatch.delenv("KAGGLE_KEY")
    assert "there are no Kaggle credentials" in refused(workspace)
    assert kaggle_server.requests == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("epochs", "seconds", "ended"), [(1, 900, "finished"), (10_000, 135, "out of time")]
)
def test_single_networks_are_spread_over_the_devices(
    tiny_workspace, tmp_path, monkeypatch, capfd, epochs, seconds, ended
):
    """Of which there are two here, by hearsay; each network has a process that is told of one."""
    digits = get_competition("digit-recognizer")
    inputs = tiny_workspace.input(digits)
    knobs = {"model": "plain_cnn", "folds": "all-data", "epochs": epochs}
    specs = [tiny.spec(tiny_workspace, f"s{seed}", seed=seed, **knobs) for seed in (0, 1, 2)]
    digits_sha256 = load_manifest(inputs).digits_sha256
    job = Job(
        competition=digits.slug,
        digits_sha256=digits_sha256,
        seconds=seconds,
        runs=[JobRun.of(spec, "all-data") for spec in specs],
    )
    there, output = tmp_path / "there", tmp_path / "output"
    there.mkdir(), output.mkdir()
    write_record(there / "job.json", job)
    shutil.copy(inputs.folds, there / "folds.csv")
    monkeypatch.chdir(there)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    main(tiny_workspace.root / "input", output)
    record = lay_down(job, output, "there", tiny_workspace, Silent())
    assert record.ended == ended
    is_there = [tiny_workspace.run(spec.name).fold(ALL_DATA).is_finished() for spec in specs]
    assert is_there == [ended == "finished"] * 3
    assert "s1: all data: 200 training" in capfd.readouterr().out
