"""A preset that is an ensemble: its members are runs, trained in turn and averaged."""

import re

import numpy as np
import pytest

from pipeline.commands.knobs import Knobs
from pipeline.commands.plan import is_open
from pipeline.commands.predict import Predict
from pipeline.commands.settings import Settings as ShowSettings
from pipeline.console import ConsoleReporter, Silent
from pipeline.errors import UserError
from pipeline.runs.probs import load_probs
from pipeline.runs.results import load_out_of_fold, read_run
from pipeline.runs.spec import specify_ensemble
from pipeline.settings import presets as settings_module
from pipeline.settings.presets import load_preset, preset_names, resolve, resolve_members
from pipeline.training.ensemble import train_ensemble as train
from pipeline.training.forecast import Forecast, in_words
from tests import tiny
from tests.test_training import StopAfter

TINY = {**tiny.SETTINGS, "augment": "none", "epochs": 2, "folds": "0,1"}


def champion(workspace, num_members=2, **overrides):
    members = [
        tiny.spec(workspace, f"m{seed}", **TINY, seed=seed, **overrides)
        for seed in range(num_members)
    ]
    return specify_ensemble("champion", "champion", members)


@pytest.fixture
def preset(tmp_path, monkeypatch):
    """Writes a preset "mine" beside the real ones."""
    folder = tmp_path / "pipeline" / "presets"
    folder.mkdir(parents=True)
    monkeypatch.setattr(settings_module.resources, "files", lambda package: tmp_path / package)
    (folder / "standard.toml").write_text('augment = "affine"\nepochs = 5\n')

    def write(text):
        (folder / "mine.toml").write_text('inherits = "standard"\n' + text)

    return write


def test_the_champions_own_members_are_settings_and_different():
    assert "champion" in preset_names()
    members = resolve_members("champion", {})
    assert len(members) >= 2
    assert len({str(member.identity()) for member in members}) == len(members)
    assert {member.folds for member in members} <= {"all", "all-data"}
    assert not resolve_members("standard", {})


def test_a_member_is_the_preset_its_own_values_and_the_knobs(preset):
    preset('seed = 4\nmembers = [{}, {seed = 5, model = "plain_cnn", epochs = 7}]\n')
    first, second = resolve_members("mine", {})
    assert (first.seed, first.model, first.epochs) == (4, "dropout_cnn", 5)
    assert (second.seed, second.model, second.epochs) == (5, "plain_cnn", 7)
    first, second = resolve_members("mine", {"epochs": "2", "seed": "10", "folds": "0"})
    assert (first.epochs, second.epochs) == (2, 2)
    assert (first.seed, second.seed) == (14, 15), "a seed is added, so that members stay different"
    assert first.folds == second.folds == "0"
    assert load_preset("mine")["members"][1]["model"] == "plain_cnn"


@pytest.mark.parametrize(
    ("members", "overrides", "said"),
    [
        ("[{modle = 1}, {}]", {}, "preset 'mine', member 1: there is no setting 'modle'"),
        ("[{}, {epochs = 0}]", {}, "preset 'mine', member 2: setting epochs = 0"),
        ("[{}, {folds = '1'}]", {}, "member 2: folds must be the same for all members"),
        ("[{}, {competition = 'practice'}]", {}, "member 2: competition must be the same"),
        ("[{}, {seed = 1}]", {"epochs": "x"}, "preset 'mine' with your knobs: setting epochs"),
        ("[{}, {seed = 1}]", {"folds": "11"}, "FOLDS=11 asks for fold 11"),
        ("3", {}, "preset 'mine': members must be tables"),
        ("[1, 2]", {}, "preset 'mine': members must be tables"),
    ],
)
def test_a_faulty_member_is_named(preset, members, overrides, said):
    preset(f"members = {members}\n")
    with pytest.raises(UserError, match=re.escape(said)):
        resolve_members("mine", overrides)


def test_an_ensembles_preset_is_no_single_run(preset):
    preset("members = [{}, {seed = 1}]\n")
    with pytest.raises(UserError, match="PRESET=mine is an ensemble of 2 runs"):
        resolve("mine", {})


def test_networks_on_all_data_are_added_for_every_member(preset):
    preset('on_all_data = 2\nmembers = [{}, {seed = 5, model = "plain_cnn"}]\n')

    def members(**overrides):
        found = resolve_members("mine", overrides)
        return [(each.model, each.folds, each.seed) for each in found]

    default = resolve("standard", {}).model
    whole = [(default, "all-data", 0), ("plain_cnn", "all-data", 5)]
    seed_later = [(default, "all-data", 1), ("plain_cnn", "all-data", 6)]
    assert members() == [(default, "0", 0), ("plain_cnn", "0", 5), *whole, *seed_later]
    assert members(folds="1,2")[1:3] == [("plain_cnn", "1,2", 5), whole[0]]
    assert members(folds="all-data") == whole
    preset("on_all_data = 1.5\nmembers = [{}, {seed = 5}]\n")
    with pytest.raises(UserError, match=r"on_all_data = 1\.5 must be a number"):
        resolve_members("mine", {})


def test_knobs_apply_to_every_member_and_run_names_the_ensemble(tiny_workspace, capsys):
    knobs = {"preset": "champion", "epochs": "1", "augment": "none", "seed": "20"}
    spec = Knobs(**knobs).specify_any(tiny_workspace)
    own = resolve_members("champion", {})
    assert [run.settings.seed for run in spec.members] == [each.seed + 20 for each in own]
    assert {(run.settings.epochs, run.settings.augment) for run in spec.members} == {(1, "none")}
    assert re.fullmatch("champion-[0-9a-f]{6}", spec.name)
    named = Knobs(**knobs, run="best").specify_any(tiny_workspace)
    assert named.name == "best" and named.members == spec.members
    with pytest.raises(UserError, match="PRESET=champion is an ensemble of"):
        Knobs(**knobs).specify(tiny_workspace)

    ShowSettings(**knobs)(tiny_workspace, ConsoleReporter())
    shown = capsys.readouterr().out
    assert re.search(r"^model +\(each its own\)", shown, re.M)
    assert all(f"  {run.name}  " in shown for run in spec.members)
    assert f"model={own[0].model}" in shown


def test_members_are_trained_in_turn_and_averaged_with_a_forecast(tiny_workspace):
    spec, reporter = champion(tiny_workspace), tiny.Lines()
    assert is_open(spec, tiny_workspace)
    accuracy = train(spec, tiny_workspace, reporter)
    assert accuracy.total == 40
    assert reporter.text.count("Trainable params") == 1, "the same network is shown once"
    said = [line for line in reporter.lines if line.startswith("time to train: about")]
    assert [re.search(r"on CPU \((.*)\)", line)[1] for line in said] == [
        "4 trainings, 0 done",
        "4 trainings, 2 done",
    ]
    assert f"the mean of 2 runs so far: accuracy {accuracy}" in reporter.lines
    assert read_run("champion", tiny_workspace).member_names == ["m0", "m1"]
    mean = load_out_of_fold("champion", tiny_workspace).probs
    parts = [load_out_of_fold(name, tiny_workspace).probs for name in ("m0", "m1")]
    np.testing.assert_allclose(mean, np.mean(parts, axis=0), atol=1e-6)

    assert not is_open(spec, tiny_workspace)
    Predict(run=spec.name)(tiny_workspace, Silent())
    labels = load_probs(tiny_workspace.run("champion").test_probs).probs.argmax(axis=1)
    assert f"30,{labels[-1]}\n" in tiny_workspace.submission("champion").read_text()

    again = tiny.Lines()
    train(spec, tiny_workspace, again)
    assert again.text.count("finished before") == 4
    assert "time to train" not in again.text
    more = champion(tiny_workspace, num_members=3)
    assert is_open(more, tiny_workspace)


def test_an_interrupted_champion_goes_on_and_counts_what_is_done(tiny_workspace):
    spec, reporter = champion(tiny_workspace), tiny.Lines()
    with pytest.raises(KeyboardInterrupt):
        train(spec, tiny_workspace, StopAfter(3))  # in the second fold of the first member
    train(spec, tiny_workspace, reporter)
    assert "(4 trainings, 1 done)" in reporter.text
    assert "going on after epoch 1" in reporter.text


def test_a_forecast_is_corrected_by_what_runs_take(tiny_workspace):
    spec = champion(tiny_workspace, num_members=3)
    forecast = Forecast(spec.members, tiny_workspace)
    foretold_s = forecast.left_s
    assert foretold_s > 0
    forecast.finish("m0", took_s=foretold_s)  # three times as slow as foretold
    assert forecast.left_s == pytest.approx(2 * foretold_s)
    forecast.finish("m1", took_s=0.0)
    assert forecast.left_s == pytest.approx(foretold_s / 2)
    forecast.finish("m2", took_s=1.0)
    assert forecast.left_s == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (80, "80 s"), (100, "2 min"), (5000, "83 min"), (19_200, "5 h 20 min"),
     (7190, "2 h")],
)  # fmt: skip
def test_times_are_said_as_people_say_them(seconds, words):
    assert in_words(seconds) == words
