"""Folds: stratified to within one image, and a pure function of labels and seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.commands.split import Split
from pipeline.console import Silent
from pipeline.data.folds import assign_folds, read_folds, write_folds
from pipeline.errors import UserError
from tests import tiny


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(10, 60), min_size=2, max_size=10), st.integers(0, 2**31 - 1))
def test_every_class_is_spread_within_one_image_of_ideal(class_sizes, seed):
    labels = np.random.default_rng(seed).permutation(
        np.repeat(range(len(class_sizes)), class_sizes)
    )
    folds = assign_folds(labels, seed)
    assert set(folds) == set(range(10))
    for label, size in enumerate(class_sizes):
        counts = np.bincount(folds[labels == label], minlength=10)
        assert (abs(counts - size / 10) < 1).all()
    np.testing.assert_array_equal(folds, assign_folds(labels, seed))


def test_the_seed_shuffles():
    labels = np.arange(500) % 10
    assert (assign_folds(labels, 0) != assign_folds(labels, 1)).mean() > 0.5


def test_folds_are_joined_by_row_not_by_position(tmp_path):
    labels = np.arange(200) % 10
    folds = assign_folds(labels, 0)
    path = tmp_path / "folds.csv"
    write_folds(path, labels, folds)
    header, *rows = path.read_text().splitlines()
    assert header == "row,label,fold"
    path.write_text("\n".join([header, *reversed(rows)]))
    np.testing.assert_array_equal(read_folds(path, labels), folds)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text.replace("row,label", "row;label"), "the header is not"),
        (lambda text: text + "x,y,z\n", "is damaged"),
        (lambda text: text[: len(text) // 2], "is damaged|other data"),
        (lambda text: text.replace("\n3,3,", "\n3,4,"), "made from other labels"),
        (lambda text: text.replace("\n3,3,", "\n2,3,"), "made from other labels"),
    ],
)
def test_damaged_folds_are_refused(tmp_path, damage, said):
    labels = np.arange(50) % 10
    path = tmp_path / "folds.csv"
    write_folds(path, labels, np.arange(50) // 5)
    path.write_text(damage(path.read_text()))
    with pytest.raises(UserError, match=said):
        read_folds(path, labels)


def test_the_stage_writes_the_same_file_again(tiny_workspace):
    folds = tiny_workspace.input(tiny.COMPETITION).folds
    before = folds.read_bytes()
    folds.unlink()
    Split()(tiny_workspace, Silent())
    assert folds.read_bytes() == before
