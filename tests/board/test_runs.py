"""`make runs`: every run in a row, whatever its state."""

import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.data.files import write_record
from pipeline.errors import UserError
from pipeline.report.runs_table import RunRow, list_runs, runs_csv, runs_table, sort_rows
from pipeline.runs.records import Receipt
from pipeline.runs.scoring import Accuracy
from pipeline.runs.workspace import Workspace
from tests.disk import write_ensemble, write_run

REPOSITORY = Path(__file__).parents[2]


def rows_by_name(workspace: Workspace) -> dict[str, RunRow]:
    return {row.name: row for row in list_runs(workspace)}


def printed(rows: list[RunRow]) -> list[str]:
    console = Console(file=io.StringIO(), width=80)
    console.print(runs_table(rows))
    return console.file.getvalue().splitlines()


def test_a_run_shows_what_it_was_and_what_came_of_it(tiny_workspace):
    write_run(tiny_workspace, "one", trained=(0, 2), wrong=1, seed=5)
    receipt = Receipt(
        run="one",
        competition="digit-recognizer",
        csv_sha256="",
        message="",
        mark="",
        submitted_at="2026-01-01T00:00:00+00:00",
        folds=[0, 2],
        valid_correct=38,
        valid_total=40,
        status="complete",
        score=0.96667,
    )
    write_record(tiny_workspace.receipt("one"), receipt)
    row = rows_by_name(tiny_workspace)["one"]
    assert (row.preset, row.model, row.augment) == ("standard", "dropout_cnn", "none")
    assert (row.seeds, row.folds_done, row.num_folds) == ((5,), 2, 10)
    assert (row.accuracy, row.score, row.fault) == (Accuracy(38, 40), 0.96667, "")
    assert row.elapsed_s == 120  # two folds of two epochs of 30 s
    text = "\n".join(printed([row]))
    assert "2/10        0.9500     40 0:02:00 0.96667" in text
    assert "standard, dropout_cnn, none" in text and "0.8350-0.9862" in text


def test_an_ensemble_is_a_row_made_of_its_members(tiny_workspace):
    write_run(tiny_workspace, "a", seed=1)
    write_run(tiny_workspace, "b", seed=0, model="plain_cnn")
    write_ensemble(tiny_workspace, "both", "a", "b")
    row = rows_by_name(tiny_workspace)["both"]
    assert (row.num_members, row.model, row.seeds) == (2, "dropout_cnn+plain_cnn", (0, 1))
    assert (row.accuracy, row.elapsed_s, row.folds_done) == (Accuracy(19, 20), 120, 1)


def test_an_unfinished_run_is_no_fault(tiny_workspace):
    write_run(tiny_workspace, "begun")
    paths = tiny_workspace.run("begun")
    paths.oof.unlink()
    paths.fold(0).oof.unlink()
    row = rows_by_name(tiny_workspace)["begun"]
    assert (row.accuracy, row.folds_done, row.elapsed_s, row.fault) == (None, 0, 60, "")


@pytest.mark.parametrize("name", ["config", "oof", "history", "receipt", "member", "name", "data"])
def test_a_damaged_run_is_told_and_the_others_are_listed(tiny_workspace, name):
    write_run(tiny_workspace, "whole")
    write_run(tiny_workspace, "hurt", seed=1)
    paths = tiny_workspace.run("hurt")
    said = {
        "config": "config.toml is not a readable RunConfig",
        "oof": "oof.npz is damaged",
        "history": "history.csv is damaged",
        "receipt": "hurt.json is not a readable Receipt",
        "member": "there is no run gone",
        "name": "cannot name a run",
        "data": "was trained on other data",
    }[name]
    broken = {"oof": paths.oof, "history": paths.fold(0).history, "config": paths.config}
    hurt = "hurt"
    if name in broken:
        broken[name].write_bytes(b"\x00half")
    elif name == "receipt":
        tiny_workspace.receipt("hurt").write_text("{")
    elif name == "member":
        write_ensemble(tiny_workspace, "hurt2", "hurt", "whole")
        record = tiny_workspace.run("hurt2").ensemble
        record.write_text(record.read_text().replace('"whole"', '"gone"'))
        hurt = "hurt2"
    elif name == "name":
        hurt = "my run"
        (paths.folder.parent / hurt).mkdir()
    else:
        text = paths.config.read_text()
        paths.config.write_text(text.replace('digits_sha256 = "', 'digits_sha256 = "0'))
    rows = rows_by_name(tiny_workspace)
    assert said in rows[hurt].fault
    assert rows["whole"].fault == "" and rows["whole"].accuracy == Accuracy(19, 20)


def row(name: str, age: float, **known: object) -> RunRow:
    return RunRow(name, changed_at=-age, **known)


def test_rows_come_in_the_order_asked_for():
    rows = [
        row("new", 1, accuracy=Accuracy(90, 100), elapsed_s=9, score=0.9),
        row("begun", 0),
        row("old", 3, accuracy=Accuracy(95, 100), elapsed_s=5),
        row("mid", 2, accuracy=Accuracy(90, 100), elapsed_s=7, score=0.8),
    ]
    orders = {
        "newest": "begun new mid old",
        "accuracy": "old new mid begun",
        "time": "old mid new begun",
        "score": "new mid begun old",
        "name": "begun mid new old",
    }
    for by, order in orders.items():
        assert [each.name for each in sort_rows(rows, by)] == order.split(), by
    with pytest.raises(UserError, match="SORT='best' is not known; choose one of: newest, name"):
        sort_rows(rows, "best")


def test_long_names_fit_into_80_columns_whole():
    name = "champion-" + 9 * "0123456789"
    lines = printed([row(name, 0, model="m" * 30, accuracy=Accuracy(41_900, 42_000), score=0.5)])
    assert max(map(len, lines)) <= 80
    assert name in "".join(line.split()[0] for line in lines)


def test_the_csv_has_a_row_for_each_and_empty_cells_for_the_unknown():
    first, second = csv.DictReader(
        io.StringIO(runs_csv([row("a", 0, accuracy=Accuracy(9, 10), seeds=(0, 2)), row("b", 1)]))
    )
    assert (first["correct"], first["total"], first["seeds"]) == ("9", "10", "0 2")
    assert (second["accuracy"], second["score"], second["low"]) == ("", "", "")


@pytest.mark.slow
def test_the_command_line_lists_in_spite_of_damage(tiny_workspace):
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "pipeline", "runs"]

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *options],
            cwd=tiny_workspace.root,
            env=environment,
            capture_output=True,
            text=True,
        )

    assert run().stdout == "no run yet; `make train` makes one.\n"
    write_run(tiny_workspace, "whole")
    tiny_workspace.run("hurt").folder.mkdir()
    listed = run("--sort", "accuracy")
    assert listed.returncode == 0
    assert listed.stderr == (
        "note: hurt: runs/hurt holds no run: it has neither config.toml nor ensemble.toml.\n"
    )
    assert listed.stdout.index("whole") < listed.stdout.index("hurt")
    assert [each["run"] for each in csv.DictReader(io.StringIO(run("--csv").stdout))]
