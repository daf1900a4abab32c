"""CSV files of predictions, a label for each test image: the sample, and a submission."""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.data.competition import Competition, to_type
from pipeline.data.csv_numbers import read_numbers
from pipeline.data.digits import refetch
from pipeline.data.files import replacing
from pipeline.data.inputs import InputPaths
from pipeline.errors import UserError

_MOST_ROWS = 2**31 - 1


def read_predictions(
    path: Path, competition: Competition, *, mend: str = ""
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the ids and labels of a file like a submission: int64 (M,), unique, and 0..K-1.

    What is not such a table raises a UserError that ends in `mend`, what to do about it; if it is
    empty, that is to get the competition's files again.
    """
    columns = {
        competition.id_column: _MOST_ROWS,
        competition.prediction_column: competition.num_classes - 1,
    }
    mend = mend or refetch(competition)
    ids, labels = read_numbers(path, columns, mend=mend).T
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) < len(ids):
        raise UserError(
            f"{path.name} has {competition.id_column} {unique[counts > 1][0]} more than once, "
            f"where each id must come once; {mend}."
        )
    return ids, labels


def check_sample_submission(path: Path, competition: Competition, num_test: int) -> None:
    """Refuse a `sample_submission.csv` whose ids are not 1..num_test, in that order."""
    ids, _ = read_predictions(path, competition)
    if len(ids) != num_test:
        raise UserError(
            f"{path.name} has {len(ids):,} rows, but {competition.test_csv} has {num_test:,}; "
            "take both from the same download."
        )
    wrong = np.flatnonzero(ids != np.arange(1, num_test + 1))
    if len(wrong):
        row = int(wrong[0])
        raise UserError(
            f"{path.name}, row {row + 1}: expected {competition.id_column} {row + 1}, found "
            f"{ids[row]}; the ids must be 1 to {num_test:,} in the order of "
            f"{competition.test_csv}."
        )


def submission_bytes(
    competition: Competition, ids: npt.NDArray[np.int64], labels: npt.NDArray[np.integer]
) -> bytes:
    """Return a submission CSV: a row for each id, both (N,), in their order."""
    rows = zip(ids.tolist(), labels.tolist(), strict=True)
    header = f"{competition.id_column},{competition.prediction_column}\n"
    return (header + "".join(f"{image_id},{label}\n" for image_id, label in rows)).encode()


def write_submission(
    path: Path, inputs: InputPaths, ids: npt.NDArray[np.int64], labels: npt.NDArray[np.integer]
) -> None:
    """Write a submission CSV of ids and classes, (N,), in the order of the sample submission.

    It takes its name only after it was read back and checked; other ids raise a UserError.
    """
    competition = inputs.competition
    with replacing(path) as temporary:
        temporary.write_bytes(submission_bytes(competition, ids, labels))
        check_submission(temporary, competition, num_rows=len(ids))
        sample_ids, _ = read_predictions(inputs.sample_submission, competition)
        if not np.array_equal(ids, sample_ids):
            raise UserError(
                f"the ids of {path.name} are not those of {inputs.sample_submission.name}; run "
                f"{to_type('data', competition.slug)} to check the files."
            )


def check_submission(path: Path, competition: Competition, *, num_rows: int) -> str:
    """Check that a submission CSV has the ids 1..num_rows in order, and a class for each.

    Returns:
        The hexadecimal SHA-256 of what it says, by which it is known again: that of the bytes of
        `write_submission`, whatever line ends, byte-order mark or empty lines the file has.
    """
    again = f"run `make predict RUN={path.stem}`"
    ids, labels = read_predictions(path, competition, mend=again)
    if not np.array_equal(ids, np.arange(1, num_rows + 1)):
        raise UserError(f"{path.name} does not have the ids 1 to {num_rows:,} in order; {again}.")
    return hashlib.sha256(submission_bytes(competition, ids, labels)).hexdigest()
