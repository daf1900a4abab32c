"""The small records that travel with the data: manifest, run configuration, receipt."""

import json
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.artifacts.files import write_text
from pipeline.errors import UserError
from pipeline.scoring import ExpectedScore


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileFacts(_Record):
    """One CSV file as it was when it was validated.

    Attributes:
        num_bytes: Size in bytes.
        mtime_ns: Time of last change, in nanoseconds; with the size it tells an edit cheaply.
        sha256: Hexadecimal hash of the bytes.
        num_rows: Rows below the header.
    """

    num_bytes: int
    mtime_ns: int
    sha256: str
    num_rows: int


class Manifest(_Record):
    """`input/<competition>/manifest.json`.

    Attributes:
        competition: The competition's slug.
        source: Where the files came from, in words.
        files: Facts of each CSV file, by file name.
        class_counts: How many training images each class has, by class name.
        digits_sha256: Hash of the arrays (train images, labels, test images) in the cache: two
            downloads of the same digits agree, whatever their newlines.
    """

    competition: str
    source: str
    files: dict[str, FileFacts]
    class_counts: dict[str, int]
    digits_sha256: str


class RunConfig(_Record):
    """`runs/<run>/config.toml`: enough to train the run again.

    Attributes:
        run: The run's name.
        preset: The preset it started from.
        settings: Every setting, resolved.
        recipe: The augmentation recipe in albumentations' own serialised form, as JSON text.
        digits_sha256: `Manifest.digits_sha256` of the data.
        folds_sha256: Hash of `folds.csv`.
        code_version: Version of this package.
        libraries: Versions of the libraries that decide the numbers.
    """

    run: str
    preset: str
    code_version: str
    digits_sha256: str
    folds_sha256: str
    libraries: dict[str, str]
    settings: dict[str, Any]
    recipe: str

    @property
    def competition(self) -> str:
        """The competition's slug."""
        return str(self.settings.get("competition"))

    @property
    def title(self) -> str:
        """What it is, in a few words."""
        return f"{self.settings.get('model')}, {self.settings.get('augment')}"

    @property
    def member_names(self) -> list[str]:
        """None: a single run is nobody's mean."""
        return []


class EnsembleMember(_Record):
    """One run of an ensemble, as it was when it was averaged.

    Attributes:
        run: The run's name.
        fingerprint: `runs.fingerprint` of its configuration.
        oof_sha256: Hash of its `oof.npz`.
        test_sha256: Hash of its `test.npz`.
    """

    run: str
    fingerprint: str
    oof_sha256: str
    test_sha256: str


class EnsembleConfig(_Record):
    """`runs/<run>/ensemble.toml`: the mean of other runs' probabilities, each counted once.

    Attributes:
        run: The ensemble's name.
        competition: The competition's slug.
        digits_sha256: `Manifest.digits_sha256` of the data, the same for all members.
        folds_sha256: Hash of `folds.csv`, the same for all members.
        members: The runs averaged, at least two.
    """

    run: str
    competition: str
    digits_sha256: str
    folds_sha256: str
    members: list[EnsembleMember]

    @property
    def title(self) -> str:
        """What it is, in a few words."""
        return f"mean of {len(self.members)} runs"

    @property
    def member_names(self) -> list[str]:
        """The runs averaged."""
        return [member.run for member in self.members]


class FoldFacts(_Record):
    """`runs/<run>/fold<k>/facts.json`: where a fold was trained, and with how much memory.

    Attributes:
        device: The device and its arithmetic, in words.
        num_threads: CPU threads of the training. Sums come out in another order with another
            number of them, so only the same number gives the same weights bit for bit.
        host_peak_bytes: Most memory that the training process ever held, without its worker
            processes; None where the operating system does not say.
        device_peak_bytes: Most memory that the networks took on a device with memory of its own.
    """

    device: str
    num_threads: int | None = None
    host_peak_bytes: int | None = None
    device_peak_bytes: int | None = None

    @property
    def memory(self) -> str:
        """The memory in words."""
        parts = []
        if self.host_peak_bytes is not None:
            parts.append(f"{self.host_peak_bytes / 2**20:,.0f} MiB")
        if self.device_peak_bytes is not None:
            parts.append(f"{self.device_peak_bytes / 2**20:,.0f} MiB on the device")
        return ", ".join(parts) or "not known"


class Receipt(_Record):
    """`submissions/<run>.json`: what was uploaded and what became of it.

    Attributes:
        run: The run's name.
        competition: The competition's slug.
        csv_sha256: Hash of the uploaded file.
        message: The message sent with it.
        mark: The unique part of the message by which it is found again; empty for the practice
            competition.
        submitted_at: UTC time of the upload, ISO 8601.
        folds: The folds whose networks were averaged; empty for an ensemble.
        members: The runs that were averaged; empty for a single run.
        valid_correct, valid_total: Validation images counted, over those folds; 0 and 0 if all
            data were trained on.
        expected: The score that this accuracy promises, with its 95 % interval; None if no image
            was held out.
        findings: What the audit found and the user overruled, a text each.
        reference: Kaggle's number for the submission, if it gave one.
        status: "submitting" (written before the upload), "pending", "complete" or "error".
        score: The public score, once there is one.
        error: Kaggle's words for a failed scoring.
    """

    run: str
    competition: str
    csv_sha256: str
    message: str
    mark: str
    submitted_at: str
    folds: list[int]
    valid_correct: int
    valid_total: int
    expected: ExpectedScore | None = None
    members: list[str] = []
    findings: list[str] = []
    reference: str | None = None
    status: str = "submitting"
    score: float | None = None
    error: str | None = None


_AnyRecord = TypeVar("_AnyRecord", bound=BaseModel)


def write_record(path: Path, record: BaseModel) -> None:
    """Write a record as JSON, or as TOML if the file's name says so."""
    if path.suffix == ".toml":
        text = tomli_w.dumps(record.model_dump(exclude_none=True), multiline_strings=True)
    else:
        text = record.model_dump_json(indent=2) + "\n"
    write_text(path, text)


def read_record(path: Path, kind: type[_AnyRecord]) -> _AnyRecord:
    """Read a record of that kind.

    Raises:
        FileNotFoundError: There is no such file.
        UserError: The file is damaged or from another version.
    """
    text = path.read_bytes()
    try:
        if path.suffix == ".toml":
            return kind.model_validate(tomllib.loads(text.decode()))
        return kind.model_validate(json.loads(text))
    except (ValueError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{path} is not a readable {kind.__name__} ({reason}); delete it and run the stage "
            "again that writes it."
        ) from None
