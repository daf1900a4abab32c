"""Where everything lies, below one root folder. Nobody else spells a path."""

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.data.competition import Competition
from pipeline.data.folds import ALL_DATA
from pipeline.data.inputs import Child, InputPaths
from pipeline.errors import UserError

_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_run_name(name: str) -> str:
    """Return `name` if it can be a folder's and a file's name everywhere; refuse any other."""
    if not _RUN_NAME.fullmatch(name):
        raise UserError(
            f"RUN={name!r} cannot name a run: use 1 to 100 letters, digits, '.', '_' or '-', "
            "starting with a letter or a digit."
        )
    return name


def to_remake(path: Path) -> str:
    """Return what to type for a file of a run or of a fold to be made again."""
    folder = path.parent if path.parent.parent.name == "runs" else path.parent.parent
    return f"`make predict RUN={folder.name}`"


def damaged(path: Path, error: Exception) -> UserError:
    """Return the refusal of a file of a run or of a fold that cannot be read."""
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return UserError(f"{path} is damaged ({reason}); run {to_remake(path)}.")


@dataclass(frozen=True)
class FoldPaths:
    """The files of `runs/<run>/fold<k>/` or `runs/<run>/all-data/`."""

    folder: Path

    checkpoint = Child("last.pt")  # what it takes to go on after the last finished epoch
    history = Child("history.csv")  # a row of numbers per epoch
    facts = Child("facts.json")  # where it was trained, and with how much memory
    weights = Child("model.safetensors")  # final, with what rebuilds the network around them
    kept = Child("kept.npz")  # of all data alone: probabilities to compare later ones with, by id
    oof = Child("oof.npz")  # probabilities of the validation rows, by id; written last of all

    def is_finished(self) -> bool:
        """Say whether all is there that a finished training leaves and others read."""
        return all(path.exists() for path in (self.history, self.weights, self.oof))


@dataclass(frozen=True)
class RunPaths:
    """The files of `runs/<run>/`."""

    folder: Path

    config = Child("config.toml")  # enough to train the run again
    ensemble = Child("ensemble.toml")  # in place of `config`, what an ensemble is made of
    sweep = Child("sweep.db")  # in place of `config`, the trials of a sweep, by Optuna in SQLite
    oof = Child("oof.npz")  # probabilities of the validation rows of all finished folds, by id
    test_probs = Child("test.npz")  # averaged probabilities of the test images, by id
    report = Child("report.html")  # the run on one page, for a browser
    lock = Child(".lock")  # held by the process that writes here

    def report_against(self, run: str) -> Path:
        """The same beside another run."""
        return self.folder / f"report-against-{check_run_name(run)}.html"

    def fold(self, fold: int) -> FoldPaths:
        """The files of one fold, or of the training on `ALL_DATA`."""
        return FoldPaths(self.folder / ("all-data" if fold == ALL_DATA else f"fold{fold}"))

    def finished_folds(self) -> list[int]:
        """The folds whose training is finished, in order; `ALL_DATA` if that is the one."""
        names = (path.name.removeprefix("fold") for path in self.folder.glob("fold*"))
        folds = sorted(int(name) for name in names if name.isdigit())
        return [fold for fold in (ALL_DATA, *folds) if self.fold(fold).is_finished()]

    def histories(self) -> list[Path]:
        """The histories of all folds that were begun, by name."""
        return sorted(self.folder.glob("*/history.csv"))

    def changed_at(self) -> float:
        """When the run last came on, in seconds since 1970: an epoch, or an average."""
        written = [self.config, self.ensemble, self.oof, *self.histories()]
        there = [path for path in written if path.exists()]
        return max(path.stat().st_mtime for path in there or [self.folder])


@dataclass(frozen=True)
class Workspace:
    """The folder in which the pipeline works; normally the current one."""

    root: Path

    def input(self, competition: Competition) -> InputPaths:
        """The files of one competition."""
        return InputPaths(self.root / "input" / competition.slug, competition)

    def run(self, name: str) -> RunPaths:
        """The files of one run; a UserError if the name cannot name one."""
        return RunPaths(self.root / "runs" / check_run_name(name))

    def runs(self) -> list[RunPaths]:
        """All folders that hold a run, or should, by name; a sweep's holds none."""
        folders = sorted((self.root / "runs").glob("[!.]*"))
        paths = [RunPaths(folder) for folder in folders if folder.is_dir()]
        return [each for each in paths if not each.sweep.exists()]

    @property
    def recipes(self) -> Path:
        """The serialised forms of augmentation recipes, each under a hash of its source."""
        return self.root / "runs" / ".recipes"

    def kernel(self, run: str) -> Path:
        """What was started at Kaggle to train a run, until that is here."""
        return self.root / "runs" / ".kernels" / f"{check_run_name(run)}.json"

    @property
    def bench(self) -> Path:
        """The figures of the last benchmark."""
        return self.root / "runs" / "bench.json"

    @property
    def play(self) -> Path:
        """What the page of `make play` has started, and where it is served."""
        return self.root / "runs" / ".play"

    def preview(self, recipe: str) -> Path:
        """The picture of one augmentation recipe."""
        return self.root / "runs" / f"preview-{recipe}.png"

    def changed_digits(self, a: str, b: str) -> Path:
        """The picture of the digits on which two runs differ."""
        return self.root / "runs" / f"changed-{a}-{b}.png"

    def audit_picture(self, competition: Competition) -> Path:
        """The nearest pairs of images that the audit found."""
        return self.root / "runs" / f"audit-{competition.slug}.png"

    def submission(self, run: str) -> Path:
        """The CSV file to upload."""
        return self.root / "submissions" / f"{check_run_name(run)}.csv"

    def receipt(self, run: str) -> Path:
        """What became of the upload."""
        return self.submission(run).with_suffix(".json")

    def receipts(self) -> list[Path]:
        """All receipts there are, by name."""
        return sorted((self.root / "submissions").glob("*.json"))
