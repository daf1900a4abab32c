"""`FOLDS=all-data`: one network on all rows, and no accuracy claimed for it."""

import csv

import pytest
import torch
from safetensors.torch import load_file

from pipeline.commands.ensemble import Ensemble
from pipeline.commands.plan import is_open
from pipeline.commands.predict import Predict
from pipeline.console import Silent
from pipeline.data.folds import ALL_DATA
from pipeline.errors import UserError
from pipeline.report.runs_table import list_runs
from pipeline.runs.probs import load_probs
from pipeline.runs.results import load_out_of_fold
from pipeline.runs.scoring import NO_VALIDATION
from pipeline.settings.presets import resolve
from pipeline.training.run import train_run as train
from tests import tiny
from tests.test_training import StopAfter


def spec(workspace, name="tiny", **overrides):
    return tiny.spec(workspace, name, folds="all-data", **overrides)


def test_all_rows_are_trained_on_and_no_accuracy_is_claimed(tiny_workspace):
    reporter = tiny.Lines()
    assert train(spec(tiny_workspace), tiny_workspace, reporter) is None
    folder = tiny_workspace.run("tiny").fold(ALL_DATA).folder
    assert folder.name == "all-data"
    assert f"all data: {tiny.NUM_TRAIN} training and 0 validation images" in reporter.text
    epochs = [line for line in reporter.lines if line.startswith("epoch")]
    assert len(epochs) == 3 and all(NO_VALIDATION in line for line in epochs)
    assert f"all data: {NO_VALIDATION}" in reporter.lines
    assert "accuracy" not in reporter.text and "expected" not in reporter.text
    with (folder / "history.csv").open() as file:
        assert [row["valid_total"] for row in csv.DictReader(file)] == ["0"] * 3

    with pytest.raises(UserError, match="run tiny was trained on all rows and so was validated on"):
        load_out_of_fold("tiny", tiny_workspace)
    Predict(run=spec(tiny_workspace).name)(tiny_workspace, reporter)
    assert f"{tiny.NUM_TEST} test images predicted by 1 network" in reporter.text
    assert not is_open(spec(tiny_workspace), tiny_workspace)
    (row,) = list_runs(tiny_workspace)
    assert (row.folds_done, row.num_folds, row.accuracy, row.fault) == (1, 1, None, "")
    assert row.elapsed_s > 0


def test_it_goes_on_where_it_was_interrupted(tiny_workspace):
    with pytest.raises(KeyboardInterrupt):
        train(spec(tiny_workspace), tiny_workspace, StopAfter(1))
    train(spec(tiny_workspace), tiny_workspace, Silent())
    train(spec(tiny_workspace, "undisturbed"), tiny_workspace, Silent())
    mine, other = (
        load_file(tiny_workspace.run(name).fold(ALL_DATA).weights)
        for name in ("tiny", "undisturbed")
    )
    assert all(torch.equal(mine[name], other[name]) for name in mine)


def test_it_is_another_run_than_folds_are(tiny_workspace):
    whole, folds = spec(tiny_workspace, ""), tiny.spec(tiny_workspace, "")
    assert "-all-data-" in whole.name and whole.name != folds.name
    train(spec(tiny_workspace, epochs=1), tiny_workspace, Silent())
    with pytest.raises(UserError, match="folds 'all-data' → '0'"):
        train(tiny.spec(tiny_workspace, epochs=1), tiny_workspace, Silent())
    assert resolve("standard", {"folds": "all-data", "valid": 0.5}).fold_numbers == [ALL_DATA]


def test_runs_on_all_data_can_be_averaged_but_not_with_others(tiny_workspace):
    for name, seed in (("a", 0), ("b", 1)):
        train(spec(tiny_workspace, name, seed=seed, epochs=1), tiny_workspace, Silent())
    train(tiny.spec(tiny_workspace, "c", seed=2, epochs=1), tiny_workspace, Silent())
    reporter = tiny.Lines()
    made = Ensemble(runs="a b", device="cpu")(tiny_workspace, reporter)
    assert reporter.text.count(NO_VALIDATION) == 3
    assert len(load_probs(tiny_workspace.run(made.name).oof).ids) == 0
    with pytest.raises(UserError, match="run c was validated on 20 rows, run a on 0"):
        Ensemble(runs="a c", device="cpu")(tiny_workspace, Silent())
