"""`history.csv`: a training's numbers, epoch by epoch."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pydantic import TypeAdapter

from pipeline.data.files import write_text
from pipeline.errors import UserError
from pipeline.runs.scoring import Accuracy
from pipeline.runs.workspace import to_remake


@dataclass(frozen=True)
class EpochNumbers:
    """What one epoch of training came to.

    Attributes:
        epoch: Counted from 1.
        train_loss: Mean cross-entropy over the epoch's training batches, dropout active.
        valid_loss: Mean cross-entropy of the validation images; not a number without any.
        valid_correct, valid_total: Validation images classified correctly, and all of them; 0 if
            all data are trained on.
        learning_rate: At the epoch's end.
        elapsed_s: Seconds for training and validation.
        images_per_s: Training images per second of training.
    """

    epoch: int
    train_loss: float
    valid_loss: float
    valid_correct: int
    valid_total: int
    learning_rate: float
    elapsed_s: float
    images_per_s: float

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

    Raises:
        FileNotFoundError: There is no such file.
        UserError: The file is damaged.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            epochs = _EPOCHS.validate_python(list(csv.DictReader(file, strict=True)))
        if not epochs:
            raise ValueError("it has no rows")
    except (ValueError, csv.Error) as error:  # pydantic's ValidationError is a ValueError
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is damaged ({reason}); run {to_remake(path)}.") from None
    return epochs
