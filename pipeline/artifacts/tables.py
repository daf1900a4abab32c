"""The CSV tables that the pipeline writes itself."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.artifacts.files import replacing, write_text
from pipeline.artifacts.paths import InputPaths
from pipeline.competition import Competition
from pipeline.digits import read_predictions
from pipeline.errors import UserError

_FOLDS_HEADER = "row,label,fold"


def write_folds(path: Path, labels: npt.NDArray[np.integer], folds: npt.NDArray[np.int64]) -> None:
    """Write `folds.csv`: each training row with its label and fold, both (N,)."""
    table = np.column_stack([np.arange(len(labels)), labels, folds])
    with replacing(path) as temporary:
        np.savetxt(temporary, table, fmt="%d", delimiter=",", header=_FOLDS_HEADER, comments="")


def read_folds(path: Path, labels: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Return each training image's fold, int64 (N,), joined by row.

    Args:
        path: `folds.csv`.
        labels: (N,), the labels of `train.csv`, to see that the folds are of this data.

    Raises:
        UserError: The file is missing, damaged or of other data.
    """
    remake = "delete it and run `make split`"
    try:
        with path.open(encoding="utf-8") as file:
            if file.readline().strip() != _FOLDS_HEADER:
                raise ValueError(f"the header is not {_FOLDS_HEADER}")
            table = np.loadtxt(file, delimiter=",", dtype=np.int64, ndmin=2)
        rows, row_labels, row_folds = table.T
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run `make split`.") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}); {remake}.") from None
    if not np.array_equal(np.sort(rows), np.arange(len(labels))) or not np.array_equal(
        row_labels, labels[rows]
    ):
        raise UserError(f"{path} was made from other data than train.csv; {remake}.")
    folds = np.empty(len(labels), dtype=np.int64)
    folds[rows] = row_folds
    return folds


def write_history(path: Path, epochs: Sequence[Mapping[str, float]]) -> None:
    """Write `history.csv`: one row per epoch, at least one, all with the same columns."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(epochs[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(epochs)
    write_text(path, text.getvalue())


def read_history(path: Path) -> list[dict[str, float]]:
    """Return the rows of `history.csv`, by column.

    Raises:
        FileNotFoundError: There is no such file.
        UserError: The file is damaged.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [
                {name: float(value) for name, value in row.items()}
                for row in csv.DictReader(file, strict=True)
            ]
        if not rows:
            raise ValueError("it has no rows")
    except (ValueError, TypeError, csv.Error) as error:
        raise UserError(
            f"{path} is damaged ({error}); delete the fold and run `make train`."
        ) from None
    return rows


def write_submission(
    path: Path, inputs: InputPaths, ids: npt.NDArray[np.int64], labels: npt.NDArray[np.integer]
) -> None:
    """Write a submission CSV; it takes its name only after it was read back and checked.

    Args:
        path: The file to write.
        inputs: The competition's files; the ids are compared with its sample submission.
        ids: (N,), in the test file's order.
        labels: (N,), predicted classes.

    Raises:
        UserError: The ids are not those of the sample submission.
    """
    import pandas as pd

    competition = inputs.competition
    table = pd.DataFrame({competition.id_column: ids, competition.prediction_column: labels})
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
        check_submission(temporary, competition, num_rows=len(ids))
        sample_ids, _ = read_predictions(inputs.sample_submission, competition)
        if not np.array_equal(ids, sample_ids):
            raise UserError(
                f"the ids of {path.name} are not those of {inputs.sample_submission.name}; "
                "run `make data` to check the files."
            )


def check_submission(path: Path, competition: Competition, *, num_rows: int) -> None:
    """Check that a submission CSV is what the competition takes.

    Args:
        path: The file.
        competition: Gives the column names and classes.
        num_rows: Expected rows; the ids must be 1..num_rows in order.

    Raises:
        UserError: It is not; the message names the first fault.
    """
    again = "delete it and run `make predict`"
    ids, _ = read_predictions(path, competition, mend=again)
    if not np.array_equal(ids, np.arange(1, num_rows + 1)):
        raise UserError(f"{path.name} does not have the ids 1 to {num_rows:,} in order; {again}.")
