"""`make train` through its stage: resuming, refusing, and what a fold leaves."""

import copy
import csv
import json
import math
import pickle
import re
from itertools import islice

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pipeline.augment.engines import augmented_epochs
from pipeline.augment.epochs import EpochPlan
from pipeline.augment.registry import deserialise
from pipeline.console import Silent
from pipeline.data.digits_cache import load_digits
from pipeline.data.files import locked, read_record, write_record
from pipeline.data.folds import read_folds
from pipeline.data.labelled_images import LabelledImages
from pipeline.data.preprocessing import Preprocessing
from pipeline.errors import UserError
from pipeline.networks import create_model
from pipeline.runs.probs import load_probs
from pipeline.runs.records import FoldFacts, RunConfig
from pipeline.runs.spec import respecify, specify_again
from pipeline.training import threads
from pipeline.training.device import choose_device
from pipeline.training.inference import predict_logits
from pipeline.training.run import prepare_training
from pipeline.training.run import train_run as train
from pipeline.training.trainer import Trainer
from tests import tiny

pytestmark = pytest.mark.machine


class StopAfter(tiny.Lines):
    """Interrupts the training when the n-th epoch has been reported."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.left = epochs

    def line(self, text: str) -> None:
        super().line(text)
        self.left -= text.startswith("epoch")
        if self.left == 0:
            raise KeyboardInterrupt


class StopWithinEpoch(tiny.Lines):
    """Interrupts the training after some images, in the middle of an epoch."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        super().advance(amount)
        if self.advanced > 250:
            raise KeyboardInterrupt


def weights(workspace, name="tiny", fold=0):
    return load_file(workspace.run(name).fold(fold).weights)


def assert_same_weights(mine, others):
    assert mine.keys() == others.keys()
    assert all(torch.equal(mine[name], others[name]) for name in mine)


def test_a_fold_leaves_its_weights_history_and_out_of_fold_probabilities(tiny_workspace):
    reporter = tiny.Lines()
    accuracy = train(tiny.spec(tiny_workspace), tiny_workspace, reporter)
    paths = tiny_workspace.run("tiny").fold(0)
    digits = load_digits(tiny_workspace.input(tiny.COMPETITION))

    oof = load_probs(paths.oof)
    folds = read_folds(tiny_workspace.input(tiny.COMPETITION).folds, digits.train_labels)
    assert oof.ids.tolist() == np.flatnonzero(folds == 0).tolist()
    np.testing.assert_allclose(oof.probs.sum(axis=1), 1, atol=1e-5)
    correct = (oof.probs.argmax(axis=1) == digits.train_labels[oof.ids]).sum()
    assert (accuracy.correct, accuracy.total) == (correct, 20)
    assert accuracy.value >= 0.9, "the block patterns are easy"

    with paths.history.open() as file:
        history = list(csv.DictReader(file))
    assert [row["epoch"] for row in history] == ["1", "2", "3"]
    assert float(history[0]["train_loss"]) > float(history[2]["train_loss"]) > 0
    assert int(history[2]["valid_correct"]) == correct
    assert float(history[2]["learning_rate"]) < 2e-4, "the rate falls to zero"
    epoch_lines = [line for line in reporter.lines if line.startswith("epoch")]
    assert len(epoch_lines) == 3
    for row, line in zip(history, epoch_lines, strict=True):
        assert f"({row['valid_correct']}/20, 95 % " in line
        assert f"train loss {float(row['train_loss']):.4f}" in line
        assert f"valid loss {float(row['valid_loss']):.4f}" in line
    assert "340,138" in reporter.text

    config = read_record(tiny_workspace.run("tiny").config, RunConfig)
    assert config.settings["competition"] == "digit-recognizer"
    assert config.settings["epochs"] == 3
    assert json.loads(config.recipe)["transform"]["transforms"] == []


@pytest.mark.parametrize(
    "stop",
    [lambda: StopAfter(1), lambda: StopAfter(2), StopWithinEpoch],
    ids=["epoch 1", "epoch 2", "within epoch 2"],
)
@pytest.mark.parametrize(
    "knobs",
    [
        {"augment_engine": "albumentations"},
        {"augment_engine": "batched", "ema": 0.9},
        {"precision": "float16"},
        {"optimizer": "sgd", "schedule": "steps", "drop_every": 1},
    ],
    ids=["albumentations", "batched, averaged", "float16", "momentum, steps"],
)
def test_an_interrupted_training_ends_with_the_same_weights(tiny_workspace, stop, knobs):
    spec = tiny.spec(tiny_workspace, augment="affine", **knobs)
    with pytest.raises(KeyboardInterrupt):
        train(spec, tiny_workspace, stop())
    assert not tiny_workspace.run("tiny").fold(0).oof.exists()
    resumed = tiny.Lines()
    train(spec, tiny_workspace, resumed)
    assert "going on after epoch" in resumed.text
    undisturbed = tiny.spec(tiny_workspace, "undisturbed", augment="affine", **knobs)
    train(undisturbed, tiny_workspace, Silent())
    assert_same_weights(weights(tiny_workspace), weights(tiny_workspace, "undisturbed"))


def test_the_scale_of_float16_losses_is_part_of_the_checkpoint(tiny_workspace):
    spec = tiny.spec(tiny_workspace, precision="float16")
    training = prepare_training(spec, tiny_workspace)
    trainer, _ = training.new_trainer(0, training.images)
    state = trainer.state()
    state["scaler"]["scale"] = 8.0
    another, _ = training.new_trainer(0, training.images)
    another.restore(state)
    assert another.state()["scaler"]["scale"] == 8.0


def test_a_float16_step_that_overflows_is_left_out_and_the_scale_falls(tiny_workspace):
    spec = tiny.spec(tiny_workspace, precision="float16")
    training = prepare_training(spec, tiny_workspace)
    trainer, epochs = training.new_trainer(0, training.images)
    state = copy.deepcopy(trainer.state())
    before = {name: value.clone() for name, value in trainer.model.named_parameters()}
    state["scaler"]["scale"] = 1e38
    trainer.restore(state)
    trainer.run_epoch(islice(epochs.iterate(0, 1), 1), training.images)
    assert trainer.state()["scaler"]["scale"] < 1e38
    for name, value in trainer.model.named_parameters():
        assert torch.equal(value, before[name])


def test_several_threads_end_with_the_same_weights_too(tiny_workspace, monkeypatch):
    monkeypatch.setattr(threads, "_FASTER", math.inf)  # whatever else this machine does
    knobs = {"model": "batchnorm_cnn", "batch_size": 60}
    num_threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(tiny.spec(tiny_workspace, **knobs), tiny_workspace, StopAfter(1))
        train(tiny.spec(tiny_workspace, **knobs), tiny_workspace, Silent())
        train(tiny.spec(tiny_workspace, "undisturbed", **knobs), tiny_workspace, Silent())
    finally:
        torch.set_num_threads(num_threads)
    facts = read_record(tiny_workspace.run("tiny").fold(0).facts, FoldFacts)
    assert facts.num_threads == 3
    assert_same_weights(weights(tiny_workspace), weights(tiny_workspace, "undisturbed"))


def trainer_and_data(workspace, **knobs):
    """A trainer as a stage would make it, and the images it learns."""
    spec = tiny.spec(workspace, **knobs)
    digits = load_digits(workspace.input(tiny.COMPETITION))
    images = LabelledImages(digits.train_images, digits.train_labels, np.arange(tiny.NUM_TRAIN))
    plan = EpochPlan(images, seed=0, fold=0, batch_size=64)
    device = choose_device("cpu", "float32")
    epochs, _ = augmented_epochs(
        plan, spec.recipe, engine="batched", fuse=True, device=device.torch, num_workers=0
    )
    torch.manual_seed(0)
    trainer = Trainer(
        create_model(spec.settings.model, (1, 28, 28), 10, 0.0),
        Preprocessing.of(images.images),
        spec.settings,
        device,
        steps_per_epoch=epochs.steps_per_epoch,
        stream=0,
    )
    return trainer, images, epochs.iterate(0, 1)


def test_averaged_weights_follow_the_trained_ones_batch_norm_included(tiny_workspace):
    knobs = {"model": "batchnorm_cnn", "ema": 0.2, "learning_rate": 0.01}
    trainer, images, batches = trainer_and_data(tiny_workspace, **knobs)
    average = {k: v.double() for k, v in trainer.model.state_dict().items()}
    step = 0

    def follow(_: int, note: str) -> None:
        nonlocal step
        assert re.fullmatch(r"loss \d\.\d{4}", note)
        decay = min(0.2, (1 + step) / (10 + step))
        for name, value in trainer.model.state_dict().items():
            average[name] = decay * average[name] + (1 - decay) * value.double()
        step += 1

    trainer.run_epoch(batches, images, follow)
    assert step == 4
    averaged = trainer.final_model.state_dict()
    for name in averaged:
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(averaged[name].double(), average[name])
    assert averaged["norm1.num_batches_tracked"] == 4
    logits = trainer.predict_logits(images.images)
    trainer.model.load_state_dict(averaged)
    own = predict_logits(
        trainer.model,
        images.images,
        trainer.preprocessing,
        choose_device("cpu", "float32"),
        batch_size=64,
    )
    np.testing.assert_allclose(logits, own, atol=1e-5)


def test_label_smoothing_is_of_the_loss_that_is_trained(tiny_workspace):
    def first_loss(**knobs):
        trainer, images, batches = trainer_and_data(tiny_workspace, model="plain_cnn", **knobs)
        inputs, labels = next(batches)
        logits = trainer.model(trainer.preprocessing(inputs)).detach()
        return logits, labels, trainer.run_epoch([(inputs, labels)], images).train_loss

    logits, labels, loss = first_loss(label_smoothing=0.3)
    wanted = 0.7 * torch.eye(10)[labels] + 0.03
    by_hand = -(wanted * logits.log_softmax(1)).sum(1).mean().item()
    assert loss == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_other_optimizers_move_the_weights_as_their_papers_say(tiny_workspace, optimizer):
    rate, decay, momentum = 0.01, 0.1, 0.8
    trainer, images, batches = trainer_and_data(
        tiny_workspace,
        model="two_conv_net",
        optimizer=optimizer,
        schedule="steps",
        learning_rate=rate,
        weight_decay=decay,
        momentum=momentum,
        precision="float32",
    )
    wanted = trainer.model.linear2.weight.detach().clone().double()
    first = second = torch.zeros_like(wanted)
    for step in range(1, 4):
        inputs, labels = next(batches)
        twin = copy.deepcopy(trainer.model)
        logits = twin(trainer.preprocessing(inputs).contiguous(memory_format=torch.channels_last))
        torch.nn.functional.cross_entropy(logits, labels).backward()
        gradient = twin.linear2.weight.grad.double() + decay * wanted
        trainer.run_epoch([(inputs, labels)], images)
        if optimizer == "sgd":
            first = momentum * first + gradient
            wanted = wanted - rate * first
        else:
            first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
            root = (second / (1 - 0.999**step)).sqrt() + 1e-8
            wanted = wanted - rate * first / (1 - 0.9**step) / root
        found = trainer.model.linear2.weight.detach().double()
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_the_rate_falls_in_steps_of_epochs(tiny_workspace):
    knobs = {"schedule": "steps", "drop_every": 2, "drop_factor": 3.0, "learning_rate": 9e-4}
    train(tiny.spec(tiny_workspace, epochs=5, **knobs), tiny_workspace, Silent())
    with tiny_workspace.run("tiny").fold(0).history.open() as file:
        rates = [float(row["learning_rate"]) for row in csv.DictReader(file)]
    assert rates == pytest.approx([9e-4, 9e-4, 3e-4, 3e-4, 1e-4])


def test_seed_decides_the_weights(tiny_workspace):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(tiny.spec(tiny_workspace, name, seed=seed, epochs=1), tiny_workspace, Silent())
    assert_same_weights(weights(tiny_workspace, "a"), weights(tiny_workspace, "b"))
    other = weights(tiny_workspace, "c")
    assert not any(torch.equal(t, other[k]) for k, t in weights(tiny_workspace, "a").items())


def test_a_finished_run_is_not_trained_again(tiny_workspace):
    train(tiny.spec(tiny_workspace), tiny_workspace, Silent())
    before = tiny_workspace.run("tiny").fold(0).weights.stat().st_mtime_ns
    reporter = tiny.Lines()
    train(tiny.spec(tiny_workspace), tiny_workspace, reporter)
    assert "nothing to train" in reporter.text
    assert tiny_workspace.run("tiny").fold(0).weights.stat().st_mtime_ns == before


def test_more_folds_are_added_to_a_run(tiny_workspace):
    train(tiny.spec(tiny_workspace, epochs=1), tiny_workspace, Silent())
    reporter = tiny.Lines()
    accuracy = train(tiny.spec(tiny_workspace, epochs=1, folds="0,3"), tiny_workspace, reporter)
    assert tiny_workspace.run("tiny").finished_folds() == [0, 3]
    assert accuracy.total == 40
    assert "fold 0: finished before" in reporter.text
    assert "2 folds, out of fold: accuracy" in reporter.text


def test_a_larger_validation_share_holds_out_more_folds(tiny_workspace):
    accuracy = train(
        tiny.spec(tiny_workspace, epochs=1, valid=0.2, folds="1"), tiny_workspace, Silent()
    )
    digits = load_digits(tiny_workspace.input(tiny.COMPETITION))
    folds = read_folds(tiny_workspace.input(tiny.COMPETITION).folds, digits.train_labels)
    oof = load_probs(tiny_workspace.run("tiny").fold(1).oof)
    assert set(folds[oof.ids]) == {2, 3}
    assert accuracy.total == 40


def test_other_settings_under_the_same_name_are_refused_with_the_difference(tiny_workspace):
    train(tiny.spec(tiny_workspace, epochs=1), tiny_workspace, Silent())
    old = weights(tiny_workspace)
    changed = tiny.spec(tiny_workspace, epochs=2, augment="affine")
    with pytest.raises(UserError, match=r"augment 'none' → 'affine'; epochs 1 → 2.*FORCE=1"):
        train(changed, tiny_workspace, Silent())
    assert_same_weights(old, weights(tiny_workspace))
    train(changed, tiny_workspace, Silent(), force=True)
    assert read_record(tiny_workspace.run("tiny").config, RunConfig).settings["epochs"] == 2
    assert len(tiny_workspace.run("tiny").fold(0).history.read_text().splitlines()) == 3


def test_a_run_is_trained_by_the_code_of_its_network_alone(tiny_workspace):
    train(tiny.spec(tiny_workspace, epochs=1), tiny_workspace, Silent())
    paths = tiny_workspace.run("tiny")
    config = read_record(paths.config, RunConfig)
    write_record(paths.config, config.model_copy(update={"network_sha256": "before"}))
    with pytest.raises(UserError, match="the network 'dropout_cnn' was edited"):
        train(tiny.spec(tiny_workspace, epochs=1), tiny_workspace, Silent())
    more = specify_again(read_record(paths.config, RunConfig), folds="0,1")
    another = respecify(more, {"seed": 1}, more.recipe, more.network)  # what `try` does of a BASE
    for spec in (more, another):
        with pytest.raises(UserError, match=f"edited, and run {spec.name} is of its code before"):
            train(spec, tiny_workspace, Silent())
    assert [each.folder.name for each in tiny_workspace.runs()] == ["tiny"]
    train(more, tiny_workspace, Silent(), force=True)
    assert read_record(paths.config, RunConfig).network_sha256 == config.network_sha256


def test_a_run_made_before_its_networks_code_was_kept_goes_on(tiny_workspace, monkeypatch):
    monkeypatch.setattr("pipeline.runs.spec.hash_network", lambda name: None)
    train(tiny.spec(tiny_workspace, epochs=1), tiny_workspace, Silent())
    monkeypatch.undo()
    reporter = tiny.Lines()
    train(tiny.spec(tiny_workspace, epochs=1, folds="0,1"), tiny_workspace, reporter)
    assert "fold 0: finished before" in reporter.text
    paths = tiny_workspace.run("tiny")
    assert load_probs(paths.fold(0).oof).made_from == load_probs(paths.fold(1).oof).made_from
    assert read_record(paths.config, RunConfig).network_sha256 is None


def test_a_configuration_of_unknown_settings_is_named(tiny_workspace):
    train(tiny.spec(tiny_workspace, epochs=1), tiny_workspace, Silent())
    config = tiny_workspace.run("tiny").config
    config.write_text(config.read_text().replace("batch_size =", "batch_sise ="))
    with pytest.raises(UserError, match=r"run tiny: there is no setting .batch_sise"):
        train(tiny.spec(tiny_workspace, epochs=1), tiny_workspace, Silent())


def test_settings_of_execution_do_not_make_another_run(tiny_workspace):
    train(tiny.spec(tiny_workspace, epochs=1), tiny_workspace, Silent())
    reporter = tiny.Lines()
    train(
        tiny.spec(tiny_workspace, epochs=1, num_workers=1, predict_batch_size=7),
        tiny_workspace,
        reporter,
    )
    assert "nothing to train" in reporter.text


def test_other_data_under_the_same_name_are_refused(tiny_workspace):
    train(tiny.spec(tiny_workspace, epochs=1), tiny_workspace, Silent())
    folds = tiny_workspace.input(tiny.COMPETITION).folds
    lines = folds.read_text().splitlines()
    lines[1], lines[11] = (
        lines[1][:-1] + lines[11][-1],
        lines[11][:-1] + ("1" if lines[1][-1] == lines[11][-1] else lines[1][-1]),
    )
    folds.write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError, match=r"folds\.csv is another"):
        train(tiny.spec(tiny_workspace, epochs=1), tiny_workspace, Silent())


def interrupted(workspace):
    with pytest.raises(KeyboardInterrupt):
        train(tiny.spec(workspace), workspace, StopAfter(1))
    return workspace.run("tiny").fold(0).checkpoint


def test_a_truncated_checkpoint_is_refused(tiny_workspace):
    checkpoint = interrupted(tiny_workspace)
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"last\.pt is damaged .* delete it"):
        train(tiny.spec(tiny_workspace), tiny_workspace, Silent())


def test_a_checkpoint_of_other_settings_is_refused(tiny_workspace):
    checkpoint = interrupted(tiny_workspace)
    train(tiny.spec(tiny_workspace, "other", seed=5, epochs=1), tiny_workspace, Silent())
    checkpoint.write_bytes(tiny_workspace.run("other").fold(0).checkpoint.read_bytes())
    with pytest.raises(UserError, match="of other settings, recipe or data"):
        train(tiny.spec(tiny_workspace), tiny_workspace, Silent())


def test_a_checkpoint_that_would_execute_code_is_not_opened(tiny_workspace, tmp_path):
    checkpoint = interrupted(tiny_workspace)
    victim = tmp_path / "executed"

    class Trap:
        def __reduce__(self):
            return (victim.touch, ())

    torch.save({"fingerprint": Trap()}, checkpoint)
    with pytest.raises(UserError, match="something else than tensors and plain values"):
        train(tiny.spec(tiny_workspace), tiny_workspace, Silent())
    checkpoint.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(UserError, match=r"last\.pt"):
        train(tiny.spec(tiny_workspace), tiny_workspace, Silent())
    assert not victim.exists()


def test_two_trainings_of_one_run_at_once_are_refused(tiny_workspace):
    with (
        locked(tiny_workspace.run("tiny").lock, "test"),
        pytest.raises(UserError, match="run tiny is being written by another process"),
    ):
        train(tiny.spec(tiny_workspace), tiny_workspace, Silent())


def test_leftovers_of_a_killed_process_are_removed(tiny_workspace):
    leftover = tiny_workspace.run("tiny").fold(0).folder / ".last.pt.abc.tmp"
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    train(tiny.spec(tiny_workspace, epochs=1), tiny_workspace, Silent())
    assert not leftover.exists()


def test_missing_data_folds_and_devices_are_named(tiny_workspace):
    spec = tiny.spec(tiny_workspace)
    absent = "cuda" if torch.backends.mps.is_available() else "mps"
    with pytest.raises(UserError, match=f"DEVICE={absent} is not available"):
        train(tiny.spec(tiny_workspace, device=absent), tiny_workspace, Silent())
    inputs = tiny_workspace.input(tiny.COMPETITION)
    inputs.folds.unlink()
    with pytest.raises(UserError, match=r"folds\.csv is missing; run `make split`"):
        train(spec, tiny_workspace, Silent())
    inputs.manifest.unlink()
    with pytest.raises(UserError, match="make data"):
        train(spec, tiny_workspace, Silent())


def epochs_of(workspace, engine, num_workers, batch_size, first=0, num_epochs=2):
    """All augmented images of some epochs by (epoch, position)."""
    images = load_digits(workspace.input(tiny.COMPETITION))
    rows = np.arange(40, dtype=np.int64) + 100
    training_set = LabelledImages(images.train_images[rows], images.train_labels[rows], rows)
    plan = EpochPlan(training_set, seed=3, fold=0, batch_size=batch_size)
    epochs, _ = augmented_epochs(
        plan,
        tiny.spec(workspace, augment="elastic").recipe,
        engine=engine,
        fuse=True,
        device=torch.device("cpu"),
        num_workers=num_workers,
    )
    batches = epochs.iterate(first, num_epochs)
    found = {}
    for epoch in range(first, num_epochs):
        flat = [
            image
            for batch in islice(batches, epochs.steps_per_epoch)
            for image in zip(*batch, strict=True)
        ]
        assert len(flat) == 40
        for position, (image, label) in zip(plan.order(epoch).tolist(), flat, strict=True):
            assert label == images.train_labels[rows[position]]
            found[epoch, position] = image
    return found


@pytest.mark.parametrize("engine", ["albumentations", "batched"])
def test_augmentation_depends_on_seed_epoch_and_image_alone(tiny_workspace, engine):
    def of(num_workers, batch_size, first=0):
        return epochs_of(tiny_workspace, engine, num_workers, batch_size, first)

    reference = of(num_workers=0, batch_size=8)
    for num_workers, batch_size in ((2, 8), (1, 13)):
        again = of(num_workers, batch_size)
        assert all(torch.equal(reference[key], again[key]) for key in reference)
    resumed = of(num_workers=2, batch_size=8, first=1)
    assert all(torch.equal(reference[key], resumed[key]) for key in resumed)
    different = [not torch.equal(reference[0, i], reference[1, i]) for i in range(40)]
    assert all(different), "every epoch draws afresh"


def test_the_stored_recipe_is_the_one_that_runs(tiny_workspace):
    spec = tiny.spec(tiny_workspace, epochs=1, augment="erase")
    train(spec, tiny_workspace, Silent())
    stored = deserialise(read_record(tiny_workspace.run("tiny").config, RunConfig).recipe)
    names = [type(transform).__name__ for transform in stored.transforms]
    assert names == ["Affine", "CoarseDropout"]
