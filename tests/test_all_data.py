"""`FOLDS=all-data`: one network on all rows, and no accuracy claimed for it."""

import csv

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pipeline.commands.ensemble import Ensemble
from pipeline.commands.plan import is_open
from pipeline.commands.predict import Predict
from pipeline.console import Silent
from pipeline.data.files import write_record
from pipeline.data.folds import ALL_DATA
from pipeline.errors import UserError
from pipeline.judging.auditor import Audit
from pipeline.judging.checks import findings
from pipeline.report.runs_table import list_runs
from pipeline.runs.probs import load_probs
from pipeline.runs.results import is_current, load_out_of_fold, read_config
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


def test_runs_on_all_data_can_be_averaged(tiny_workspace):
    for name, seed in (("a", 0), ("b", 1)):
        train(spec(tiny_workspace, name, seed=seed, epochs=1), tiny_workspace, Silent())
    reporter = tiny.Lines()
    made = Ensemble(runs="a b", device="cpu")(tiny_workspace, reporter)
    assert reporter.text.count(NO_VALIDATION) == 3
    assert len(load_probs(tiny_workspace.run(made.name).oof).ids) == 0


def test_folds_warrant_what_their_like_predict_trained_on_all_data(tiny_workspace):
    for name, model in (("plain", "plain_cnn"), ("two", "two_conv_net")):
        knobs = {"model": model, "epochs": 1}
        train(tiny.spec(tiny_workspace, name, **knobs), tiny_workspace, Silent())
        train(spec(tiny_workspace, f"{name}-whole", seed=3, **knobs), tiny_workspace, Silent())
    reporter = tiny.Lines()
    runs = "plain two plain-whole two-whole"
    made = Ensemble(runs=runs, device="cpu")(tiny_workspace, reporter)

    def mean(file, *names):
        paths = [tiny_workspace.run(name) for name in names]
        return np.mean([load_probs(getattr(each, file)).probs for each in paths], axis=0)

    paths = tiny_workspace.run(made.name)
    np.testing.assert_allclose(load_probs(paths.oof).probs, mean("oof", "plain", "two"), atol=1e-6)
    voting = mean("test_probs", "plain-whole", "two-whole")
    np.testing.assert_allclose(load_probs(paths.test_probs).probs, voting, atol=1e-6)
    assert "for one fold; the mean of 2 trained on all data usually scores" in reporter.text
    assert not tiny_workspace.run("plain").test_probs.exists(), "nobody asks for them"
    assert is_current(made, tiny_workspace)

    audit = Audit(tiny.COMPETITION, tiny_workspace)
    checks = {check.subject: check for check in audit.check_run(made.name)}
    assert "the 2 networks that predict were trained on all rows" in checks["warrant"].text
    assert checks["warrant"].passed and not findings(checks.values())

    with pytest.raises(UserError, match="1 of 1 runs were validated and 1 of 2 trained on"):
        Ensemble(runs="plain plain-whole two-whole", device="cpu")(tiny_workspace, Silent())
    with pytest.raises(UserError, match="1 of 2 runs were validated and 1 of 1 trained on"):
        Ensemble(runs="plain two plain-whole", device="cpu")(tiny_workspace, Silent())


@pytest.mark.parametrize("edit", [{"settings": {"epochs": 2}}, {"network_sha256": "another"}])
def test_an_audit_finds_networks_on_all_data_that_nothing_warrants(tiny_workspace, edit):
    train(tiny.spec(tiny_workspace, "plain", epochs=1), tiny_workspace, Silent())
    train(spec(tiny_workspace, "whole", epochs=1), tiny_workspace, Silent())
    made = Ensemble(runs="plain whole", device="cpu")(tiny_workspace, Silent())
    config = read_config("whole", tiny_workspace)
    settings = config.settings | edit.get("settings", {})
    edited = config.model_copy(update=edit | {"settings": settings})
    write_record(tiny_workspace.run("whole").config, edited)
    checks = Audit(tiny.COMPETITION, tiny_workspace).check_run(made.name)
    assert any("warrant: of the kind of whole" in text for text in findings(checks))
