"""`history.csv`: a training's numbers, epoch by epoch."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pydantic import TypeAdapter

from pipeline.data.files import write_text
from pipeline.runs.scoring import Accuracy
from pipeline.runs.workspace import damaged


@dataclass(frozen=True)
class EpochNumbers:
    """What one epoch of training came to; its losses are means of the cross-entropy."""

    epoch: int  # counted from 1
    train_loss: float  # over the epoch's training batches, dropout active
    valid_loss: float  # not a number if all data are trained on
    valid_correct: int
    valid_total: int  # 0 if all data are trained on
    learning_rate: float  # at the epoch's end
    elapsed_s: float  # for training and validation
    images_per_s: float  # training images per second of training

    @property
    def valid(self) -> Accuracy:
        """The validation accuracy, of at least one image."""
        return Accuracy(self.valid_correct, self.valid_total)


_EPOCHS = TypeAdapter(list[EpochNumbers])


def write_history(path: Path, epochs: Sequence[EpochNumbers]) -> None:
    """Write `history.csv`: one row per epoch."""
    text = io.StringIO()
    columns = [field.name for field in fields(EpochNumbers)]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(each) for each in epochs)
    write_text(path, text.getvalue())


def read_history(path: Path) -> list[EpochNumbers]:
    """Return the rows of `history.csv`, at least one.

    A missing file raises a FileNotFoundError, a damaged one a UserError.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            epochs = _EPOCHS.validate_python(list(csv.DictReader(file, strict=True)))
        if not epochs:
            raise ValueError("it has no rows")
    except (ValueError, csv.Error) as error:  # pydantic's ValidationError is a ValueError
        raise damaged(path, error) from None
    return epochs
