"""The way in for a competition's files: staged, checked, and only then put in their place."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.console import Reporter
from pipeline.data.archive import holds_the_files_of, take_csv_files
from pipeline.data.competition import Competition
from pipeline.data.digits import Digits, read_test_file, read_train_file
from pipeline.data.digits_cache import save_digits
from pipeline.data.files import locked, set_mode, sha256, write_record
from pipeline.data.inputs import InputPaths
from pipeline.data.manifest import (
    Manifest,
    changed_file,
    file_facts,
    load_manifest,
    touched_files,
)
from pipeline.data.practice import write_practice, write_sample_submission
from pipeline.data.predictions_csv import check_sample_submission
from pipeline.errors import UserError

_STAGING_PREFIX = ".data."  # folders of that name in input/<competition>/ are ours to remove


def take_in(
    paths: InputPaths,
    reporter: Reporter,
    *,
    download: Callable[[Competition, Path, Reporter], Path],
    source: Path | None = None,
    force: bool = False,
    any_size: bool = False,
) -> Manifest:
    """Put the competition's files into `input/<competition>/`, checked, and return their manifest.

    They come from `source` if one is given, a zip archive as Kaggle serves it or a folder; else
    from where they already lie, if someone put them there by hand; else the practice competition
    is made and any other downloaded by `download`, which writes an archive into a folder and
    returns its path. By `force` they are fetched again and replace what is there.

    Everything is unpacked, read and checked in a temporary folder first, and takes its place only
    then, the manifest last: on any failure or interrupt all is as it was before.

    Raises:
        UserError: The source or a file in it is not what it should be, other data are there
            already, the disk is full or not writable, or another process is at it.
    """
    competition = paths.competition
    if source is not None:
        if competition.made_here:
            raise UserError(f"the data of {competition.slug} are made here; leave ZIP= out.")
        source = Path(os.path.expanduser(source))  # noqa: PTH111 (raises for an unknown user)
    fetch = partial(_fetch, source=source, reporter=reporter, download=download)
    try:
        with locked(paths.lock, _place(paths)):
            for leftover in paths.folder.glob(f"{_STAGING_PREFIX}*"):  # of a killed process
                shutil.rmtree(leftover)
            manifest, said = _bring(paths, source, fetch, force=force, any_size=any_size)
    except OSError as error:
        if source and Path(error.filename or "").is_relative_to(source):
            raise UserError(
                f"{error.filename} cannot be read: {error.strerror}; nothing was changed."
            ) from None
        raise UserError(
            f"{_place(paths)} cannot be written: {error.strerror or error}; nothing in it was "
            "changed. It needs room and your permission to write."
        ) from None
    train, test = manifest.files[competition.train_file], manifest.files[competition.test_file]
    sizes = f"{train.num_rows:,} training and {test.num_rows:,} test images"
    reporter.line(f"{competition.slug}: {sizes}, {said}")
    return manifest


def _bring(
    paths: InputPaths,
    source: Path | None,
    fetch: Callable[[InputPaths], str],
    *,
    force: bool,
    any_size: bool,
) -> tuple[Manifest, str]:
    """Do the work of `take_in`, the lock held; return what is to be said about it as well."""
    started = time.perf_counter()
    place = _place(paths)

    def read_from(origin: str) -> str:
        return f"read from {origin} and checked in {time.perf_counter() - started:.1f} s"

    present, is_new = (None, False) if force else _find_present(paths, any_size)
    if present is not None:
        if source is None:
            return present, read_from(place) if is_new else f"in {place} already, unchanged"
        if holds_the_files_of(source, paths.folder, paths.competition):
            return present, f"in {place} already, the same as in {source.resolve().name}"

    with tempfile.TemporaryDirectory(dir=paths.folder, prefix=_STAGING_PREFIX) as folder:
        staged = InputPaths(Path(folder), paths.competition)
        origin = fetch(staged)
        manifest = _check(staged, origin, any_size)
        if present is not None and manifest.digits_sha256 == present.digits_sha256:
            return present, f"in {place} already, the same as in {origin}"
        if not (paths.competition.made_here or force):  # what is made here is no one's to lose
            _refuse_to_replace(paths, manifest, origin)
        _install(staged, paths, manifest)
    return manifest, read_from(origin)


def _place(paths: InputPaths) -> str:
    """The folder, as a person in the workspace sees it."""
    return f"{paths.folder.parent.name}/{paths.folder.name}"


def _find_present(paths: InputPaths, any_size: bool) -> tuple[Manifest | None, bool]:
    """The manifest of data that are there already, and whether it was made only now."""
    old = None
    try:
        old = load_manifest(paths)
        if changed_file(paths, old) is None:
            if touched_files(paths, old):  # a copy's time is noted for the next look
                rows = {name: facts.num_rows for name, facts in old.files.items()}
                old = old.model_copy(update={"files": file_facts(paths, rows)})
                write_record(paths.manifest, old)
            return old, False
    except UserError:  # no manifest, a damaged one, or one of another competition
        pass
    if paths.competition.made_here or not (paths.train.exists() and paths.test.exists()):
        return None, False
    manifest = _check(paths, _place(paths), any_size)
    if old is not None and old.digits_sha256 == manifest.digits_sha256:  # copied, not edited
        manifest = manifest.model_copy(update={"source": old.source})
    write_record(paths.manifest, manifest)
    return manifest, True


def _fetch(
    staged: InputPaths,
    source: Path | None,
    reporter: Reporter,
    download: Callable[[Competition, Path, Reporter], Path],
) -> str:
    """Bring the CSV files into the staging folder; return where they came from, in words."""
    competition = staged.competition
    if competition.made_here:
        return write_practice(staged)
    if source is not None:
        take_csv_files(source, staged.folder, competition)
        return source.resolve().name
    if not competition.on_kaggle:
        raise UserError(
            f"{competition.slug} is no competition on Kaggle; download its zip in a browser from "
            f"{competition.url} and run `make data ZIP=… COMPETITION={competition.slug}`."
        )
    downloads = staged.folder / "download"  # the CLI leaves partial files of its own beside
    downloads.mkdir()
    take_csv_files(download(competition, downloads, reporter), staged.folder, competition)
    return "Kaggle"


def _check(paths: InputPaths, origin: str, any_size: bool) -> Manifest:
    """Read and check all files, write the cache, and return the manifest (not yet written)."""
    competition = paths.competition
    try:
        images, labels = read_train_file(paths.train, competition, any_size=any_size)
        test_images = read_test_file(paths.test, competition, any_size=any_size)
        if not paths.sample_submission.exists():
            write_sample_submission(paths, len(test_images))
        check_sample_submission(paths.sample_submission, competition, len(test_images))
    except UserError as error:  # there may be a train.csv in place and another in the archive
        raise UserError(f"{origin}: {error}") from None
    tests = [paths.test, paths.sample_submission]
    if competition.made_here:
        tests.append(paths.solution)
    num_rows = {paths.train.name: len(images)} | {path.name: len(test_images) for path in tests}
    if competition.labels_csv:
        num_rows[competition.labels_csv] = len(images)
    digits = Digits(images, labels, test_images)
    save_digits(paths, digits)
    counts = np.bincount(labels, minlength=competition.num_classes).tolist()
    return Manifest(
        competition=competition.slug,
        source=origin,
        files=file_facts(paths, num_rows),
        class_counts=dict(zip(competition.class_names, counts, strict=True)),
        digits_sha256=digits.sha256(),
    )


def _refuse_to_replace(paths: InputPaths, manifest: Manifest, origin: str) -> None:
    """Raise a UserError if a file is there already that differs from the staged one."""
    for name in sorted(manifest.files):
        there = paths.folder / name
        if there.exists() and sha256(there) != manifest.files[name].sha256:
            raise UserError(
                f"{_place(paths)}/{name} differs from the one of {origin}; say FORCE=1 to "
                "replace what is there, or leave ZIP= out to keep it."
            )


def _install(staged: InputPaths, paths: InputPaths, manifest: Manifest) -> None:
    """Move everything from the staging folder into place.

    The old files go first, the old manifest before them: a process that is killed in between
    leaves files missing, which the next start sees, but never old and new ones side by side.
    """
    names = [*manifest.files, staged.digits.name]
    for name in names:
        with (staged.folder / name).open("rb") as file:
            os.fsync(file.fileno())
    for name in manifest.files:
        # What the competition served is not for editing; a slip of the editor is caught here.
        set_mode(staged.folder / name, 0o444)
    write_record(staged.manifest, manifest)
    for name in (paths.manifest.name, *names):
        (paths.folder / name).unlink(missing_ok=True)
    for name in (*names, staged.manifest.name):
        (staged.folder / name).replace(paths.folder / name)
