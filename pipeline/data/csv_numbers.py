"""Tables of small whole numbers in CSV text: read fast, refused precisely.

A table is accepted only if it has exactly the columns asked for and every cell is written with
digits alone. Newlines may be LF or CRLF; empty lines carry no cells and are passed over.
"""

import contextlib
import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from pipeline.errors import UserError

_NOT_NEWLINE = re.compile(rb"[^\r\n]")
_LONGEST_HEADER = 1 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # Excel puts one in front when it saves "CSV UTF-8"


def read_header(path: Path, *, mend: str) -> list[str]:
    """Return the column names in a CSV file's first line; refuse a file that is not text."""
    with _opened(path, mend) as file:
        return _split_header(path.name, file.readline(_LONGEST_HEADER), mend)


def read_numbers(
    path: Path, columns: Mapping[str, int], *, mend: str, header: bool = True
) -> npt.NDArray[Any]:
    """Read a CSV file of whole numbers: the columns by name, in order, with the highest of each.

    A file without a `header` holds them in that order; the names are what errors call them.

    The parser is told that every column is a number without any spelling of "missing", so that
    parsing is the check: one pass on all cores. Only if it fails is the text walked line by line
    to find the place. Kaggle's `train.csv` (77 MB) takes 1.4 s on two cores and 0.4 GB at the
    peak; walking it to a fault in its last line takes another 5 s.

    Returns:
        (N, number of columns) with N ≥ 1: uint8 if no column may exceed 255, else int64.

    Raises:
        UserError: It is not exactly such a table; the message names file, line and column and ends
            in `mend`.
    """
    import pyarrow as pa
    from pyarrow import csv

    names, highest = list(columns), np.array(list(columns.values()))
    with _opened(path, mend) as file:
        found = _split_header(path.name, file.readline(_LONGEST_HEADER), mend)
        if not header:
            found = names
            file.seek(0)
        body = file.read()
    if found != names:
        raise UserError(f"{path.name} {_describe_header(found, names)}; {mend}.")
    if not _NOT_NEWLINE.search(body):
        raise UserError(f"{path.name} has a header but no rows below it; {mend}.")

    types = dict.fromkeys(names, pa.uint8() if highest.max() <= 255 else pa.int64())
    # The parser would take " 7", "0x10" and quotes. Whatever is left when digits and separators
    # are deleted is refused instead; that costs 0.14 s for 77 MB.
    if not body.translate(None, b"0123456789,\r\n"):
        with contextlib.suppress(pa.ArrowInvalid):
            table = csv.read_csv(
                pa.BufferReader(body),
                csv.ReadOptions(column_names=names),
                convert_options=csv.ConvertOptions(column_types=types, null_values=[]),
            )
            # Batch by batch through Arrow's own transposition: 0.1 s for 42,000 × 785, where
            # stacking the columns in numpy took 0.5 to 1 s.
            batches = [batch.to_tensor(row_major=True).to_numpy() for batch in table.to_batches()]
            numbers: npt.NDArray[Any] = np.concatenate(batches)
            if (numbers.max(axis=0) <= highest).all():
                return numbers
    raise UserError(f"{path.name}, {_find_fault(body, columns, 2 if header else 1)}; {mend}.")


def read_names(
    path: Path, columns: Sequence[str], names: Sequence[str], *, mend: str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Read a CSV file of two columns, a whole number and one of the names.

    Returns:
        The numbers and the places of the names in their list, both (N,).

    Raises:
        UserError: It is not exactly such a table; the message names file, line and column and ends
            in `mend`.
    """
    found = read_header(path, mend=mend)
    if found != list(columns):
        raise UserError(f"{path.name} {_describe_header(found, list(columns))}; {mend}.")
    places = {name.encode(): place for place, name in enumerate(names)}
    rows = []
    for line_number, line in enumerate(path.read_bytes().splitlines()[1:], start=2):
        number, _, name = line.partition(b",")
        expected = ""
        if not (number.isdigit() and len(number) < 19):
            column, expected, cell = columns[0], "a whole number", number
        elif name not in places:
            column, expected, cell = columns[1], f"one of {', '.join(names)}", name
        if line and expected:
            raise UserError(
                f"{path.name}, line {line_number}, column {column}: expected {expected}, found "
                f"{_short(cell.decode(errors='replace'))}; {mend}."
            )
        if line:
            rows.append((int(number), places[name]))
    if not rows:
        raise UserError(f"{path.name} has a header but no rows below it; {mend}.")
    numbers, classes = np.array(rows, np.int64).T
    return numbers, classes


def _opened(path: Path, mend: str) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise UserError(f"{path.name} is missing; {mend}.") from None
    except (IsADirectoryError, PermissionError) as error:
        raise UserError(f"{path.name} cannot be read: {error.strerror}.") from None


def _split_header(name: str, line: bytes, mend: str) -> list[str]:
    """The column names in the first line."""
    line = line.removeprefix(_BYTE_ORDER_MARK).rstrip(b"\r\n")
    if not line:
        raise UserError(f"{name} is empty, or its first line is; {mend}.")
    if line.startswith(b"PK\x03\x04"):
        raise UserError(
            f"{name} is a zip archive, not CSV text; hand it over as `make data ZIP=…`."
        )
    text = line.decode(errors="surrogateescape")
    if re.search("[\0\udc80-\udcff]", text):  # a NUL, or a byte that is not UTF-8
        raise UserError(f"{name} is not CSV text; {mend}.")
    return text.split(",")


def _describe_header(found: list[str], expected: list[str]) -> str:
    """How the columns differ, in words that follow the file's name."""
    missing = [column for column in expected if column not in found]
    extra = [column for column in found if column not in expected]
    if len(missing) == len(expected):
        few = expected if len(expected) < 4 else [*expected[:2], "…", expected[-1]]
        wanted, start = ",".join(few), _short(",".join(found))
        return f"should start with the line {wanted!r}, but starts with {start}"
    if missing and not extra:
        return f"lacks {_list_columns(missing)}"
    if extra and not missing:
        return f"has {_list_columns(extra)} too many"
    # Also reached when a name comes twice: then no name is missing or unknown, only out of place.
    pairs = enumerate(zip_longest(found, expected), start=1)
    number, name, wanted = next((i, name, wanted) for i, (name, wanted) in pairs if name != wanted)
    there = "missing" if name is None else _short(name)
    return f"has {there} as column {number}, where {wanted or 'no more'} is expected"


def _list_columns(names: list[str]) -> str:
    if len(names) == 1:
        return f"the column {_short(names[0])}"
    return f"{len(names)} columns ({_short(names[0])} to {_short(names[-1])})"


def _find_fault(body: bytes, columns: Mapping[str, int], first_line: int) -> str:
    """The first fault below the header, in words that follow the file's name."""
    for number, line in enumerate(body.splitlines(), start=first_line):
        if not line:
            continue
        cells = line.split(b",")
        if len(cells) != len(columns):
            how = "short" if len(cells) < len(columns) else "long"
            return f"line {number} is too {how}: expected {len(columns)} cells, found {len(cells)}"
        for cell, (column, highest) in zip(cells, columns.items(), strict=True):
            if not (cell.isdigit() and len(cell) < 19 and int(cell) <= highest):
                what = "an empty cell" if not cell else _short(cell.decode(errors="replace"))
                return (
                    f"line {number}, column {column}: expected a whole number from 0 to "
                    f"{highest:,}, found {what}"
                )
    raise AssertionError("refused, but no cell is wrong")


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "…")
