"""CSV files of predictions, a label for each test image: the sample, and a submission."""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.data.competition import Competition, to_type
from pipeline.data.csv_numbers import read_names, read_numbers
from pipeline.data.digits import MOST_ROWS, check_ids, refetch, to_classes
from pipeline.data.files import replacing
from pipeline.data.inputs import InputPaths
from pipeline.errors import UserError


def read_predictions(
    path: Path, competition: Competition, *, mend: str = ""
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the ids and classes of a file like a submission: int64 (M,), unique, and 0..K-1.

    What is not such a table raises a UserError that ends in `mend`, what to do about it; if it is
    empty, that is to get the competition's files again.
    """
    mend, written = mend or refetch(competition), competition.written_labels
    names = competition.id_column, competition.prediction_column
    if competition.labels_csv:
        ids, classes = read_names(path, names, competition.class_names, mend=mend)
    else:
        columns = dict(zip(names, (MOST_ROWS, int(written.max())), strict=True))
        ids, labels = read_numbers(path, columns, mend=mend).T
        classes = to_classes(labels, path, names[1], competition).astype(np.int64)
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) < len(ids):
        raise UserError(
            f"{path.name} has {competition.id_column} {unique[counts > 1][0]} more than once, "
            f"where each id must come once; {mend}."
        )
    return ids, classes


def check_sample_submission(path: Path, competition: Competition, num_test: int) -> None:
    """Refuse a `sample_submission.csv` whose ids are not the test images', in their order."""
    ids, _ = read_predictions(path, competition)
    if len(ids) != num_test:
        raise UserError(
            f"{path.name} has {len(ids):,} rows, but {competition.test_file} has {num_test:,}; "
            "take both from the same download."
        )
    check_ids(ids, path, competition)


def submission_bytes(
    competition: Competition, ids: npt.NDArray[np.int64], classes: npt.NDArray[np.integer]
) -> bytes:
    """Return a submission CSV: a row for each id and class, both (N,), in their order."""
    rows = zip(ids.tolist(), competition.written_labels[classes].tolist(), strict=True)
    header = f"{competition.id_column},{competition.prediction_column}\n"
    return (header + "".join(f"{image_id},{label}\n" for image_id, label in rows)).encode()


def write_submission(
    path: Path, inputs: InputPaths, ids: npt.NDArray[np.int64], classes: npt.NDArray[np.integer]
) -> None:
    """Write a submission CSV of ids and classes, (N,), in the order of the sample submission.

    It takes its name only after it was read back and checked; other ids raise a UserError.
    """
    competition = inputs.competition
    with replacing(path) as temporary:
        temporary.write_bytes(submission_bytes(competition, ids, classes))
        check_submission(temporary, competition, num_rows=len(ids))
        sample_ids, _ = read_predictions(inputs.sample_submission, competition)
        if not np.array_equal(ids, sample_ids):
            raise UserError(
                f"the ids of {path.name} are not those of {inputs.sample_submission.name}; run "
                f"{to_type('data', competition.slug)} to check the files."
            )


def check_submission(path: Path, competition: Competition, *, num_rows: int) -> str:
    """Check that a submission CSV has the ids of so many test images, and a class for each.

    Returns:
        The hexadecimal SHA-256 of what it says, by which it is known again: that of the bytes of
        `write_submission`, whatever line ends, byte-order mark or empty lines the file has.
    """
    again = f"run `make predict RUN={path.stem}`"
    ids, classes = read_predictions(path, competition, mend=again)
    expected = competition.test_ids(num_rows)
    if not np.array_equal(ids, expected):
        raise UserError(
            f"{path.name} does not have the ids {expected[0]} to {expected[-1]:,} in order; "
            f"{again}."
        )
    return hashlib.sha256(submission_bytes(competition, ids, classes)).hexdigest()
