"""`make predict` through its stage, and the engine's batched prediction."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from pipeline.commands.predict import Predict
from pipeline.console import Silent
from pipeline.data.digits_cache import load_digits
from pipeline.data.files import locked
from pipeline.data.preprocessing import Preprocessing
from pipeline.errors import UserError
from pipeline.networks import create_model
from pipeline.runs.probs import load_probs
from pipeline.runs.weights import Network, load_network, save_network
from pipeline.runs.workspace import Workspace
from pipeline.training.device import Device, choose_device
from pipeline.training.inference import predict_logits, predict_run, softmax
from pipeline.training.run import train_run as train
from tests import tiny

pytestmark = pytest.mark.machine

CPU = choose_device("cpu", "float32")


@pytest.fixture
def trained(tiny_workspace) -> Workspace:
    train(tiny.spec(tiny_workspace), tiny_workspace, Silent())
    return tiny_workspace


def run_predict(workspace, reporter=None, name="tiny"):
    Predict(run=name)(workspace, reporter or Silent())


def test_the_submission_has_every_id_in_order(trained):
    reporter = tiny.Lines()
    run_predict(trained, reporter)
    path = trained.submission("tiny")
    text = path.read_bytes()
    assert text.startswith(b"ImageId,Label\n1,") and text.endswith(b"\n") and b"\r" not in text
    table = pd.read_csv(path)
    assert table["ImageId"].tolist() == list(range(1, tiny.NUM_TEST + 1))
    truth = np.arange(tiny.NUM_TEST) % 10  # how the synthetic test set was made
    assert (table["Label"] == truth).mean() >= 0.9
    test = load_probs(trained.run("tiny").test_probs)
    assert (test.probs.argmax(axis=1) == table["Label"]).all()
    np.testing.assert_allclose(test.probs.sum(axis=1), 1, atol=1e-5)
    assert "submissions/tiny.csv" in reporter.text


def test_the_network_kept_is_the_one_that_was_validated(trained):
    """To the last bit: the same layout of the weights, the same batch, the same machine."""
    fold = trained.run("tiny").fold(0)
    oof = load_probs(fold.oof)
    digits = load_digits(trained.input(tiny.COMPETITION))
    network = load_network(fold.weights)
    model = create_model("dropout_cnn", (1, 28, 28), 10, 0.0)
    model.load_state_dict(network.weights)
    training_rows = np.setdiff1d(np.arange(tiny.NUM_TRAIN), oof.ids)
    preprocessing = Preprocessing(**network.facts["preprocessing"])
    assert preprocessing == Preprocessing.of(digits.train_images[training_rows])
    logits = predict_logits(
        model.to(memory_format=torch.channels_last),
        digits.train_images[oof.ids],
        preprocessing,
        choose_device("cpu"),
        batch_size=1024,
    )
    np.testing.assert_array_equal(softmax(logits), oof.probs)


# Sums come out in another order in another batch and layout. Measured on three kinds of processor:
# 2e-7 in float32; one activation rounded the other way is 2⁻⁸ of it in bfloat16.
@pytest.mark.parametrize(("precision", "rounding"), [("float32", 1e-5), ("bfloat16", 0.01)])
def test_an_image_is_predicted_alike_in_validation_and_in_test(tmp_path, precision, rounding):
    digits = tiny.make_digits()
    workspace = tiny.prepare(tmp_path, replace(digits, test_images=digits.train_images))
    train(tiny.spec(workspace, precision=precision), workspace, Silent())
    Predict(run="tiny", device="cpu")(workspace, Silent())
    oof, test = (load_probs(getattr(workspace.run("tiny"), kind)) for kind in ("oof", "test_probs"))
    assert len(test.ids) == tiny.NUM_TRAIN
    np.testing.assert_allclose(test.probs[oof.ids], oof.probs, atol=rounding)


def test_folds_are_averaged(trained):
    train(tiny.spec(trained, folds="0,1"), trained, Silent())
    run_predict(trained)
    both = load_probs(trained.run("tiny").test_probs).probs
    single = []
    for fold in (0, 1):
        train(tiny.spec(trained, f"only{fold}", folds=str(fold)), trained, Silent())
        run_predict(trained, name=f"only{fold}")
        single.append(load_probs(trained.run(f"only{fold}").test_probs).probs)
    np.testing.assert_allclose(both, (single[0] + single[1]) / 2, atol=1e-6)


def test_probabilities_are_kept_until_a_network_changes(trained):
    run_predict(trained)
    probs = trained.run("tiny").test_probs
    before = probs.read_bytes()
    trained.submission("tiny").unlink()
    run_predict(trained)
    assert probs.read_bytes() == before and trained.submission("tiny").exists()
    train(tiny.spec(trained, seed=7), trained, Silent(), force=True)
    run_predict(trained)
    assert probs.read_bytes() != before


def test_prediction_leaves_no_gradients_and_switches_dropout_off():
    torch.manual_seed(0)
    model = create_model("dropout_cnn", (1, 28, 28), 10, 0.5)
    images = np.random.default_rng(0).integers(0, 256, (20, 1, 28, 28), np.uint8)
    runs = [
        predict_logits(model, images, Preprocessing(33.0, 78.0), CPU, batch_size=size)
        for size in (20, 7)
    ]
    np.testing.assert_allclose(runs[0], runs[1], atol=1e-5)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_missing_unfinished_foreign_and_damaged_runs_are_named(trained, tmp_path):
    with pytest.raises(UserError, match="there is no run nowhere"):
        run_predict(trained, name="nowhere")
    spec = tiny.spec(trained)
    practice = spec.settings.model_copy(update={"competition": "practice"})
    with pytest.raises(UserError, match="belongs to the competition digit-recognizer, not to"):
        predict_run("tiny", practice, trained, Silent())
    weights = trained.run("tiny").fold(0).weights
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"model\.safetensors is damaged"):
        run_predict(trained)
    assert not trained.submission("tiny").exists()
    weights.write_bytes(whole)
    with (
        locked(trained.run("tiny").lock, "test"),
        pytest.raises(UserError, match="being written by another process"),
    ):
        run_predict(trained)
    trained.run("tiny").fold(0).oof.unlink()
    with pytest.raises(UserError, match="no finished fold"):
        run_predict(trained)


def test_ids_that_are_not_the_sample_submissions_are_refused(trained):
    sample = trained.input(tiny.COMPETITION).sample_submission
    sample.chmod(0o644)
    lines = sample.read_text().splitlines()
    sample.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(UserError):
        run_predict(trained)
    assert not trained.submission("tiny").exists()


def test_a_network_file_holds_what_is_needed_to_rebuild_it(tmp_path):
    weights = {"w": torch.arange(6.0).view(2, 3)}
    save_network(tmp_path / "n.safetensors", Network(weights, {"model": "x", "shape": [1, 2]}))
    network = load_network(tmp_path / "n.safetensors")
    assert torch.equal(network.weights["w"], weights["w"])
    assert network.facts == {"model": "x", "shape": [1, 2]}


def test_bfloat16_is_refused_where_it_cannot_be():
    assert isinstance(choose_device("cpu", "bfloat16"), Device)
    assert choose_device("cpu", "float32").dtype == torch.float32


def test_a_processor_that_is_capped_does_not_emulate_bfloat16():
    code = "from pipeline.training.device import choose_device; print(choose_device('cpu'))"
    environment = os.environ | {"ATEN_CPU_CAPABILITY": "avx2"}
    printed = subprocess.check_output([sys.executable, "-c", code], text=True, env=environment)
    assert printed == "CPU, float32\n"


def test_seven_views_predict_and_change_nothing_else(tmp_path):
    workspace = tiny.prepare(tmp_path)
    found = {}
    for views in ("one", "seven"):
        spec = tiny.spec(workspace, views, model="plain_cnn", epochs=1, views=views)
        train(spec, workspace, Silent())
        test = predict_run(views, spec.settings, workspace, Silent())
        fold = workspace.run(views).fold(0)
        found[views] = load_file(fold.weights), load_probs(fold.oof).probs, test.probs
    (weights, valid, test), (same, valid_by_seven, test_by_seven) = found.values()
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    for by_one, by_seven in ((valid, valid_by_seven), (test, test_by_seven)):
        assert 1e-3 < np.abs(by_one - by_seven).max() < 0.5
