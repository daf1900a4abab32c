"""`make ensemble` through its stage: what is averaged, what is refused, what reads the result."""

import numpy as np
import pandas as pd
import pytest

from pipeline.commands.ensemble import Ensemble
from pipeline.commands.predict import Predict
from pipeline.console import Silent
from pipeline.data.competition import get_competition
from pipeline.data.digits_cache import load_digits
from pipeline.data.files import read_record, sha256, write_record
from pipeline.errors import UserError
from pipeline.runs.probs import Probs, load_probs, save_probs
from pipeline.runs.records import EnsembleConfig
from pipeline.runs.results import load_out_of_fold, read_config, read_run
from pipeline.runs.scoring import count_correct
from pipeline.training.run import train_run as train
from tests import tiny

NUM_VALID = 20


@pytest.fixture
def runs(tiny_workspace):
    """Two finished runs, a and b, that differ in their seed; b has predicted the test images."""
    for seed, name in enumerate("ab"):
        train(tiny.spec(tiny_workspace, name, seed=seed, epochs=1), tiny_workspace, Silent())
    Predict(run="b")(tiny_workspace, Silent())
    return tiny_workspace


def combine(workspace, *names, name="", **options):
    reporter = tiny.Lines()
    command = Ensemble(runs=" ".join(names), run=name, device="cpu", **options)
    spec = command(workspace, reporter)
    return spec.name, reporter


def probs_of(workspace, name):
    paths = workspace.run(name)
    return load_out_of_fold(name, workspace).probs, load_probs(paths.test_probs).probs


def test_both_sets_of_probabilities_are_averaged_and_everything_reads_them(runs):
    name, reporter = combine(runs, "a", "b")
    mean = probs_of(runs, name)
    for both, a, b in zip(mean, probs_of(runs, "a"), probs_of(runs, "b"), strict=True):
        np.testing.assert_allclose(both, (a + b) / 2, atol=1e-6)
        assert not np.allclose(a, b)
    valid = load_out_of_fold(name, runs)
    labels = load_digits(runs.input(tiny.COMPETITION)).train_labels
    for run, probs in (("a", load_out_of_fold("a", runs).probs), (name, valid.probs)):
        accuracy = str(count_correct(probs, labels[valid.ids]))
        assert f"/{NUM_VALID}, 95 % " in accuracy
        assert any(x.startswith(run) and accuracy in x for x in reporter.lines)
    table = pd.read_csv(runs.submission(name))
    assert table["Label"].tolist() == mean[1].argmax(axis=1).tolist()
    assert f"submissions/{name}.csv" in reporter.text

    record = read_run(name, runs)
    assert isinstance(record, EnsembleConfig)
    assert record.member_names == ["a", "b"]
    assert record.digits_sha256 == read_config("a", runs).digits_sha256
    assert record.members[1].oof_sha256 == sha256(runs.run("b").oof)
    assert record.members[0].test_sha256 == sha256(runs.run("a").test_probs)


def test_images_are_joined_by_id_whatever_their_order(runs):
    name, _ = combine(runs, "a", "b")
    expected = probs_of(runs, name)
    for path in (runs.run("b").oof, runs.run("b").test_probs):
        probs = load_probs(path)
        order = np.random.default_rng(0).permutation(len(probs.ids))
        save_probs(path, Probs(probs.ids[order], probs.probs[order], probs.made_from))
    again, _ = combine(runs, "b", "a")
    assert again == name, "the name follows from the members, not from their order"
    for before, after in zip(expected, probs_of(runs, name), strict=True):
        np.testing.assert_allclose(before, after, atol=1e-7)


def test_more_than_one_fold_and_more_than_two_runs(runs):
    for seed, name in enumerate("abc"):
        train(tiny.spec(runs, name, seed=seed, epochs=1, folds="0,1"), runs, Silent())
    name, reporter = combine(runs, "a", "b", "c", name="three")
    assert name == "three"
    assert len(load_out_of_fold("three", runs).ids) == 2 * NUM_VALID
    assert "the mean of 3 runs" in reporter.text


def test_runs_that_do_not_go_together_are_refused_by_name(runs):
    def refused(said, *names, **options):
        files = sorted(runs.root.rglob("*"))
        with pytest.raises(UserError, match=said):
            combine(runs, *names, **options)
        assert [p for p in sorted(runs.root.rglob("*")) if p.name != ".lock"] == [
            p for p in files if p.name != ".lock"
        ]

    refused("at least two runs", "a")
    refused("run a comes twice", "a", "b", "a")
    refused("there is no run z", "a", "z")
    refused("run a is a single run; give the ensemble another name", "a", "b", name="a")

    train(tiny.spec(runs, "twin", epochs=1), runs, Silent())
    refused("run twin is run a under another name", "a", "b", "twin")
    train(tiny.spec(runs, "more", seed=5, epochs=1, folds="0,1"), runs, Silent())
    refused("run more was validated on 40 rows, run a on 20; train the same", "a", "more")
    train(tiny.spec(runs, "other", seed=6, epochs=1, folds="1"), runs, Silent())
    refused("run other was validated on other rows than run a, 20 each", "a", "other")

    config = read_config("b", runs)
    practice = get_competition("practice").slug
    for said, changed in (
        ("run b belongs to the competition practice, run a to digit-recognizer", "competition"),
        ("run b was trained on other digits than run a", "digits_sha256"),
        (r"run b was trained by another folds\.csv than run a", "folds_sha256"),
    ):
        update = {changed: "0"}
        if changed == "competition":
            update = {"settings": config.settings | {"competition": practice}}
        write_record(runs.run("b").config, config.model_copy(update=update))
        refused(said, "a", "b")
    write_record(runs.run("b").config, config)


def test_an_ensemble_is_neither_a_member_nor_overwritten_by_a_training(runs):
    name, _ = combine(runs, "a", "b")
    with pytest.raises(UserError, match=f"run {name} is an ensemble; name its members .* a b"):
        combine(runs, "a", name)
    with pytest.raises(UserError, match=f"run {name} is an ensemble; give this one another name"):
        train(tiny.spec(runs, name), runs, Silent(), force=True)
    assert read_record(runs.run(name).ensemble, EnsembleConfig).run == name


def test_an_ensemble_of_that_name_and_other_members_is_replaced_only_by_force(runs):
    train(tiny.spec(runs, "c", seed=2, epochs=1), runs, Silent())
    combine(runs, "a", "b", name="best")
    combine(runs, "b", "a", name="best")
    with pytest.raises(UserError, match=r"the mean of other runs \(b, a\).*FORCE=1"):
        combine(runs, "a", "c", name="best")
    combine(runs, "a", "c", name="best", force=True)
    assert read_run("best", runs).member_names == ["a", "c"]


def test_data_that_changed_since_are_noticed(runs):
    manifest = runs.input(tiny.COMPETITION).manifest
    manifest.write_text(manifest.read_text().replace('"digits_sha256": "', '"digits_sha256": "0'))
    with pytest.raises(UserError, match="run a was trained on other data"):
        combine(runs, "a", "b")


def test_predict_averages_anew_only_what_has_changed(runs):
    spec = Ensemble(runs="a b", device="cpu")(runs, Silent())
    runs.submission(spec.name).unlink()
    reporter = tiny.Lines()
    Predict(run=spec.name)(runs, reporter)
    assert runs.submission(spec.name).exists()
    assert len(reporter.lines) == 1, "nothing was averaged"

    train(tiny.spec(runs, "b", seed=9, epochs=1), runs, Silent(), force=True)
    Predict(run=spec.name)(runs, reporter)
    assert "the mean of 2 runs" in reporter.text
    means = probs_of(runs, spec.name)
    for mean, a, b in zip(means, probs_of(runs, "a"), probs_of(runs, "b"), strict=True):
        np.testing.assert_allclose(mean, (a + b) / 2, atol=1e-6)
