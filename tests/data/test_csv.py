"""The CSV reader: every valid table is read as it is, every fault is refused and located."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.data.digits import read_test_file, read_train_file
from pipeline.data.predictions_csv import check_sample_submission, read_predictions
from pipeline.errors import UserError
from tests.data.csv_files import PIXELS, csv_bytes, train_rows, unlabelled_rows

MEND = "; mend it or fetch the file again (`make data FORCE=1`)."
HEADER = ["label", *PIXELS]
newlines = st.sampled_from(["\n", "\r\n"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("csv")


def refusal(read, *arguments, **keywords) -> str:
    with pytest.raises(UserError) as caught:
        read(*arguments, **keywords)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


@settings(max_examples=40, deadline=None)
@given(
    pixels=st.integers(1, 5).flatmap(lambda n: arrays(np.uint8, (n, 784))),
    newline=newlines,
    mark=st.booleans(),
    blank=st.booleans(),
    data=st.data(),
)
def test_any_valid_table_comes_back_as_it_is(folder, tiny, pixels, newline, mark, blank, data):
    labels = data.draw(arrays(np.uint8, len(pixels), elements=st.integers(0, 9)))
    table = np.column_stack([labels, pixels]).tolist()
    text = csv_bytes(HEADER, table, newline)
    text = b"\xef\xbb\xbf" * mark + text + newline.encode() * blank
    (folder / "train.csv").write_bytes(text)
    images, found = read_train_file(folder / "train.csv", tiny, any_size=True)
    assert images.shape == (len(pixels), 1, 28, 28)
    assert images.dtype == found.dtype == np.uint8
    assert images.flags.c_contiguous
    assert (images.reshape(-1, 784) == pixels).all()
    assert (found == labels).all()

    (folder / "test.csv").write_bytes(csv_bytes(PIXELS, pixels.tolist(), newline))
    test_images = read_test_file(folder / "test.csv", tiny, any_size=True)
    assert (test_images == images).all()


def is_good(cell: str, highest: int) -> bool:
    return re.fullmatch("[0-9]+", cell) is not None and int(cell) <= highest


not_in_a_cell = "\r\n,"
bad_cells = st.one_of(
    st.sampled_from(
        [
            "256",
            "-1",
            "1.0",
            "NaN",
            "nan",
            "null",
            "NA",
            "x",
            "0x10",
            "+7",
            "1e1",
            "1_0",
            "٣",
            "²",
            "∞",
            "4294967296",
            "999999999999999999999",
            "",
            " 7",
            "7 ",
            '"7"',
            "\0",
            "\u2028",
            "'7'",
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters=not_in_a_cell), max_size=12),
)


@settings(max_examples=150, deadline=None)
@given(cell=bad_cells, row=st.integers(0, 11), column=st.integers(0, 784), newline=newlines)
def test_any_bad_cell_is_refused_and_named(folder, tiny, digits, cell, row, column, newline):
    highest = 9 if column == 0 else 255
    rows: list[list[object]] = [list(r) for r in train_rows(digits)]
    rows[row][column] = cell
    (folder / "train.csv").write_bytes(csv_bytes(HEADER, rows, newline))
    if is_good(cell, highest):
        images, labels = read_train_file(folder / "train.csv", tiny)
        assert np.column_stack([labels, images.reshape(12, -1)])[row, column] == int(cell)
        return
    message = refusal(read_train_file, folder / "train.csv", tiny)
    assert message.startswith(
        f"train.csv, line {row + 2}, column {HEADER[column]}: expected a whole number from 0 to "
        f"{highest}, found "
    )


@settings(max_examples=40, deadline=None)
@given(
    row=st.integers(0, 11), change=st.integers(-784, 3).filter(lambda n: n != 0), newline=newlines
)
def test_any_row_of_another_length_is_refused_and_named(folder, tiny, digits, row, change, newline):
    rows = train_rows(digits)
    rows[row] = rows[row][:change] if change < 0 else rows[row] + [0] * change
    (folder / "train.csv").write_bytes(csv_bytes(HEADER, rows, newline))
    how = "short" if change < 0 else "long"
    assert refusal(read_train_file, folder / "train.csv", tiny) == (
        f"train.csv, line {row + 2} is too {how}: expected 785 cells, found {785 + change}{MEND}"
    )


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_other_header_is_refused(folder, tiny, data):
    header = list(HEADER)
    at = data.draw(st.integers(0, 784))
    kind = data.draw(st.sampled_from(["drop", "insert", "rename", "swap"]))
    if kind == "drop":
        del header[at]
    elif kind == "insert":
        header.insert(at, data.draw(st.sampled_from(["label", "pixel5", "id", ""])))
    elif kind == "rename":
        header[at] = data.draw(st.sampled_from(["Label", "pixel784", "", "pixel 1", '"label"']))
    else:
        other = data.draw(st.integers(0, 784).filter(lambda i: i != at))
        header[at], header[other] = header[other], header[at]
    (folder / "train.csv").write_bytes(csv_bytes(header, []))
    said = refusal(read_train_file, folder / "train.csv", tiny)
    assert said.startswith("train.csv lacks" if kind == "drop" and at else "train.csv has")
    assert "rows below" not in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "train.csv is empty, or its first line is" + MEND),
        (b"\r\n\r\n", "train.csv is empty, or its first line is" + MEND),
        (csv_bytes(HEADER, []), "train.csv has a header but no rows below it" + MEND),
        (
            csv_bytes(HEADER, [], newline=""),
            "train.csv has a header but no rows below it" + MEND,
        ),
        (csv_bytes(HEADER[:-1], []), "train.csv lacks the column 'pixel783'" + MEND),
        (
            csv_bytes(HEADER[:2] + HEADER[4:], []),
            "train.csv lacks 2 columns ('pixel1' to 'pixel2')" + MEND,
        ),
        (csv_bytes([*HEADER, "id"], []), "train.csv has the column 'id' too many" + MEND),
        (
            csv_bytes(["label", "pixel1", "pixel0", *PIXELS[2:]], []),
            "train.csv has 'pixel1' as column 2, where pixel0 is expected" + MEND,
        ),
        (
            csv_bytes([*HEADER, "pixel783"], []),
            "train.csv has 'pixel783' as column 786, where no more is expected" + MEND,
        ),
        (
            csv_bytes(PIXELS, []),
            "train.csv has no column label: it holds the test images; put the competition's "
            "train.csv in its place.",
        ),
        (
            b"<!DOCTYPE html>\n<html>\n",
            "train.csv should start with the line 'label,pixel0,…,pixel783', but starts with "
            "'<!DOCTYPE html>'" + MEND,
        ),
        (
            b"0," * 784 + b"0\n",
            "train.csv should start with the line 'label,pixel0,…,pixel783', but starts with "
            f"'{'0,' * 18}0…'" + MEND,
        ),
        (
            b"PK\x03\x04 and so on",
            "train.csv is a zip archive, not CSV text; hand it over as `make data ZIP=…`.",
        ),
        (b"\x89PNG\r\n\x1a\n", "train.csv is not CSV text" + MEND),
        ("label,pixel0\n".encode("utf-16"), "train.csv is not CSV text" + MEND),
        (b"\0" * 5000, "train.csv is not CSV text" + MEND),
        (
            csv_bytes(HEADER, [[10] + [0] * 784]),
            "train.csv, line 2, column label: expected a whole number from 0 to 9, found '10'"
            + MEND,
        ),
        (
            csv_bytes(HEADER, [[1] + [""] * 784]),
            "train.csv, line 2, column pixel0: expected a whole number from 0 to 255, found an "
            "empty cell" + MEND,
        ),
        (
            csv_bytes(HEADER, [[1] * 785] * 2),
            "train.csv has 2 rows, but digit-recognizer has 12; fetch the whole file again "
            "(`make data FORCE=1`), or say ANY_SIZE=1 if this size is meant.",
        ),
    ],
)
def test_what_a_fault_prints(folder, tiny, text, said):
    (folder / "train.csv").write_bytes(text)
    assert refusal(read_train_file, folder / "train.csv", tiny) == said


def test_train_file_in_the_test_files_place(folder, tiny, digits):
    (folder / "test.csv").write_bytes(csv_bytes(HEADER, train_rows(digits)))
    assert refusal(read_test_file, folder / "test.csv", tiny) == (
        "test.csv has a column label: it holds the training images; put the competition's "
        "test.csv in its place."
    )


def test_missing_file_and_folder_in_its_place(tmp_path, tiny):
    said = refusal(read_test_file, tmp_path / "test.csv", tiny)
    assert said == ("test.csv is missing; mend it or fetch the file again (`make data FORCE=1`).")
    (tmp_path / "test.csv").mkdir()
    said = refusal(read_test_file, tmp_path / "test.csv", tiny)
    assert said == "test.csv cannot be read: Is a directory."


def test_row_counts_are_the_competitions_unless_any_will_do(folder, tiny, digits):
    (folder / "test.csv").write_bytes(csv_bytes(PIXELS, unlabelled_rows(digits)[:4]))
    said = refusal(read_test_file, folder / "test.csv", tiny)
    assert said.startswith("test.csv has 4 rows, but digit-recognizer has 5;")
    assert len(read_test_file(folder / "test.csv", tiny, any_size=True)) == 4


def test_files_of_many_blocks(folder, tiny):
    """The parser cuts the text into blocks of 1 MB that are parsed side by side."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (1500, 784), np.uint8)
    rows = pixels.tolist()
    (folder / "test.csv").write_bytes(csv_bytes(PIXELS, rows))
    assert (folder / "test.csv").stat().st_size > 3 << 20
    images = read_test_file(folder / "test.csv", tiny, any_size=True)
    assert (images.reshape(-1, 784) == pixels).all()
    for row, column in random.integers(0, [1500, 784], (1, 2)).tolist():
        kept, rows[row][column] = rows[row][column], 1000
        (folder / "test.csv").write_bytes(csv_bytes(PIXELS, rows))
        rows[row][column] = kept
        said = refusal(read_test_file, folder / "test.csv", tiny, any_size=True)
        assert said.startswith(f"test.csv, line {row + 2}, column pixel{column}: ")


@pytest.mark.parametrize(
    ("header", "rows", "said"),
    [
        (
            "ImageId,Label",
            [(1, 0), (2, 0), (2, 0)],
            "s.csv has ImageId 2 more than once, where each id must come once; ",
        ),
        ("ImageId,Label", [(1, 0), (2, 0)], "s.csv has 2 rows, but test.csv has 3; "),
        (
            "ImageId,Label",
            [(1, 0), (3, 0), (2, 0)],
            "s.csv, row 2: expected ImageId 2, found 3; the ids must be 1 to 3 in the order of ",
        ),
        ("ImageId,Label", [(0, 0), (1, 0), (2, 0)], "s.csv, row 1: expected ImageId 1, found 0; "),
        ("ImageId,Label", [(1, 0), (2, 11), (3, 0)], "s.csv, line 3, column Label: expected a "),
        ("ImageId,Label", [(1, 0), ("b", 1), (3, 0)], "s.csv, line 3, column ImageId: expected "),
        ("id,label", [(1, 0)], "s.csv should start with the line 'ImageId,Label', but starts"),
        ("Label,ImageId", [(0, 1)], "s.csv has 'Label' as column 1, where ImageId is expected; "),
        ("ImageId", [(1,)], "s.csv lacks the column 'Label'; "),
    ],
)
def test_sample_submissions_that_are_refused(folder, tiny, header, rows, said):
    (folder / "s.csv").write_bytes(csv_bytes([header], rows))
    message = refusal(check_sample_submission, folder / "s.csv", tiny, 3)
    assert message.startswith(said)


def test_a_good_sample_submission(folder, tiny):
    (folder / "s.csv").write_bytes(csv_bytes(["ImageId", "Label"], [(1, 0), (2, 9)], "\n"))
    check_sample_submission(folder / "s.csv", tiny, 2)
    ids, labels = read_predictions(folder / "s.csv", tiny)
    assert ids.tolist() == [1, 2]
    assert labels.tolist() == [0, 9]
