"""A network that no longer predicts what it did when it was trained predicts nothing more."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.commands.audit import Audit
from pipeline.commands.predict import Predict
from pipeline.console import Silent
from pipeline.data.files import read_record, write_record
from pipeline.data.folds import ALL_DATA
from pipeline.errors import UserError
from pipeline.runs.records import RunConfig
from pipeline.training.run import train_run as train
from tests import tiny

relu = F.relu


def one_sigmoid(x: torch.Tensor) -> torch.Tensor:
    """What `dropout_cnn` does if its last ReLU is a sigmoid; all weights still fit."""
    return torch.sigmoid(x) if x.shape[1:] == (32,) else relu(x)


def audit(workspace, run="tiny"):
    reporter = tiny.Lines()
    try:
        Audit(run=run, device="cpu")(workspace, reporter)
    except UserError as error:
        reporter.line(str(error))
    return reporter.text


@pytest.mark.parametrize(("folds", "at"), [("0,1", "fold0"), ("all-data", "all-data")])
def test_no_change_of_a_network_passes_unseen(tiny_workspace, monkeypatch, folds, at):
    train(tiny.spec(tiny_workspace, folds=folds), tiny_workspace, Silent())
    assert "tiny predicts what it did when it was trained\nnothing found" in audit(tiny_workspace)
    monkeypatch.setattr(F, "relu", one_sigmoid)  # as a library may: the source is what it was
    said = (
        rf"runs/tiny/{at} no longer predicts .* [1-9]\d*\.\d % apart .*make train RUN=tiny FORCE=1"
    )
    with pytest.raises(UserError, match=said):
        Predict(run="tiny", device="cpu")(tiny_workspace, Silent())
    paths = tiny_workspace.run("tiny")
    assert not paths.test_probs.exists() and not tiny_workspace.submission("tiny").exists()
    assert "FOUND  network" in audit(tiny_workspace)
    monkeypatch.undo()
    Predict(run="tiny", device="cpu")(tiny_workspace, Silent())
    assert tiny_workspace.submission("tiny").exists()


@pytest.mark.parametrize("trained", ["float32", "bfloat16"])
def test_another_rounding_is_no_change(tiny_workspace, trained):
    train(tiny.spec(tiny_workspace, precision=trained), tiny_workspace, Silent())
    for precision in ("float32", "bfloat16"):
        how = f"precision={precision} predict_batch_size=7"
        tiny_workspace.run("tiny").test_probs.unlink(missing_ok=True)
        Predict(run="tiny", device="cpu", set=how)(tiny_workspace, Silent())


def test_the_audit_says_what_it_cannot_check(tiny_workspace):
    train(tiny.spec(tiny_workspace, folds="all-data", epochs=1), tiny_workspace, Silent())
    paths = tiny_workspace.run("tiny")
    paths.fold(ALL_DATA).kept.unlink()  # as of a run from before it was kept
    assert "not checked: tiny kept no predictions to compare with" in audit(tiny_workspace)
    Predict(run="tiny", device="cpu")(tiny_workspace, Silent())
    config = read_record(paths.config, RunConfig)
    write_record(paths.config, config.model_copy(update={"network_sha256": "before"}))
    text = audit(tiny_workspace)
    assert "not checked: dropout_cnn was edited since tiny was trained" in text
    assert text.endswith("nothing found")


def test_a_run_of_other_data_predicts_nothing(tiny_workspace):
    train(tiny.spec(tiny_workspace, epochs=1), tiny_workspace, Silent())
    paths = tiny_workspace.run("tiny")
    config = read_record(paths.config, RunConfig)
    write_record(paths.config, config.model_copy(update={"digits_sha256": "others"}))
    with pytest.raises(UserError, match="run tiny was trained on other data than"):
        Predict(run="tiny", device="cpu")(tiny_workspace, Silent())
