"""Knobs: presets inherit, values are typed and range-checked, faults are named."""

import pytest

from pipeline.commands.knobs import Knobs
from pipeline.errors import UserError
from pipeline.runs.spec import specify_run
from pipeline.settings.fields import Settings
from pipeline.settings.presets import (
    load_preset,
    parse_assignments,
    preset_names,
    resolve,
    resolve_members,
)


def test_every_preset_resolves():
    assert {"standard", "quick", "practice"} <= set(preset_names())
    for name in preset_names():
        if not resolve_members(name, {}):
            resolve(name, {})


def test_a_preset_inherits_and_knobs_win():
    assert load_preset("quick")["model"] == load_preset("standard")["model"]
    assert resolve("quick", {}).epochs != resolve("standard", {}).epochs
    assert resolve("quick", {"epochs": "77"}).epochs == 77


def test_the_competition_brings_its_preset(tiny_workspace):
    spec = Knobs(competition="practice").specify(tiny_workspace)
    assert spec.settings == resolve("practice", {"competition": "practice"})


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"epochs": "abc"}, r"setting epochs = 'abc': .*integer"),
        ({"epochs": 0}, "setting epochs = 0: .*greater than or equal to 1"),
        ({"learning_rate": "nan"}, "setting learning_rate = 'nan': .*finite"),
        ({"dropout": 1}, "setting dropout = 1: .*less than 1"),
        ({"device": "tpu"}, "setting device = 'tpu': .*'cuda', 'mps' or 'cpu'"),
        ({"seed": -1}, "setting seed = -1"),
        ({"batchsize": 3}, "there is no setting 'batchsize'; the settings are: .*batch_size"),
        ({"valid": "0.25"}, "setting valid = '0.25': must be a whole number of the 10 folds"),
        ({"valid": "0"}, "setting valid = '0'"),
        ({"folds": "1,x"}, "setting folds = '1,x'"),
        ({"folds": "10"}, "FOLDS=10 asks for fold 10, but .* the folds are 0 to 9"),
        ({"folds": "5", "valid": 0.2}, "asks for fold 5, but .* 0 to 4"),
        ({"competition": "titanic"}, "competition = 'titanic': must be one of"),
        ({"num_workers": -1}, "setting num_workers = -1"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(overrides, said):
    with pytest.raises(UserError, match=said) as error:
        resolve("standard", overrides)
    assert "\n" not in str(error.value)


def test_an_unknown_preset_is_named_with_the_known_ones():
    with pytest.raises(UserError, match=r"PRESET='nope' is not known; choose one of: .*standard"):
        resolve("nope", {})


def test_validation_shares_map_to_whole_folds():
    settings = resolve("standard", {"valid": "0.2", "folds": "all"})
    held_out = [settings.held_out(fold) for fold in settings.fold_numbers]
    assert held_out == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    assert resolve("standard", {}).held_out(0) == [0]
    assert resolve("standard", {"folds": "3, 1"}).fold_numbers == [1, 3]


def test_set_is_parsed_and_its_faults_named():
    assert parse_assignments("a=1  b=x=y") == {"a": "1", "b": "x=y"}
    for wrong in ("a", "=1", "a=", "a = 1"):
        with pytest.raises(UserError, match="SET"):
            parse_assignments(wrong)
    with pytest.raises(UserError, match="'a' twice"):
        parse_assignments("a=1 a=2")


def test_a_runs_name_follows_from_what_decides_the_training():
    def name(recipe="{}", preset="standard", **overrides: object) -> str:
        return specify_run("", preset, resolve(preset, overrides), recipe).name

    base = name()
    assert base.startswith("standard-strong-s0-")
    assert name() == base
    assert name(device="cpu", folds="all", num_workers=0) == base, "where it runs is no identity"
    assert len({base, name(epochs=5), name(seed=1), name(recipe="[]"), name(augment="none")}) == 5
    assert name(competition="practice").startswith("practice-standard-")
    assert name(preset="practice", competition="practice").startswith("practice-affine-")


@pytest.mark.parametrize(
    "name",
    ["a/b", "..", ".hidden", "a b", "a;rm -rf x", "$(x)", "-x", "ä", "a\n", "x" * 101, "a'b"],
)
def test_names_that_cannot_name_a_folder_everywhere_are_refused(name):
    with pytest.raises(UserError, match="cannot name a run"):
        specify_run(name, "standard", Settings(), "{}")


def test_a_setting_that_came_later_counts_only_away_from_its_default():
    """Runs of before keep their names."""
    later = {"views": "seven", "optimizer": "sgd", "schedule": "steps", "drop_every": 5}
    assert not later.keys() & Settings().identity().keys()
    for name, value in later.items():
        assert Settings(**{name: value}).identity() == Settings().identity() | {name: value}
