"""What stands in for Kaggle in the practice competitions."""

from pathlib import Path

import numpy as np

from pipeline.data.inputs import InputPaths
from pipeline.data.predictions_csv import read_predictions
from pipeline.errors import UserError
from pipeline.runs.scoring import Accuracy


def grade(submission_csv: Path, inputs: InputPaths) -> Accuracy:
    """Score a submission to a practice competition as Kaggle would: labels joined by id.

    Raises:
        UserError: The submission is not a table with one label for each id.
    """
    competition, solution_csv = inputs.competition, inputs.solution
    again = f"run `make predict RUN={submission_csv.stem}` again"
    ids, labels = read_predictions(submission_csv, competition, mend=again)
    true_ids, true_labels = read_predictions(solution_csv, competition)
    if missing := np.setdiff1d(true_ids, ids).tolist():
        raise UserError(
            f"{submission_csv.name} has no label for {len(missing):,} of {len(true_ids):,} ids "
            f"(the first is {missing[0]}); {again}."
        )
    if unknown := np.setdiff1d(ids, true_ids).tolist():
        raise UserError(
            f"{submission_csv.name} has ids that the test set has not (the first is "
            f"{unknown[0]}); {again}."
        )
    correct = labels[np.argsort(ids)] == true_labels[np.argsort(true_ids)]
    return Accuracy(int(correct.sum()), len(correct))
