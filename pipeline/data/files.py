"""Files that are whole or absent, folders that one process writes at a time."""

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import tomli_w
from pydantic import BaseModel, ConfigDict

from pipeline.errors import UserError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path in the same folder, which becomes `path` when the block succeeds.

    The folder is made if needed. The content is flushed to the disk before the rename, so a
    reader (or a power cut) never finds half a file; if the block raises, `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        set_mode(temporary, 0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def set_mode(path: Path, mode: int) -> None:
    """Set a file's permission bits where the disk has any.

    They are a courtesy, not a condition: exFAT, SMB and a Windows drive under WSL refuse.
    """
    with contextlib.suppress(OSError):
        path.chmod(mode)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, newlines as given."""
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode())


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `path`, which the operating system frees even if this process is killed.

    On a disk that cannot lock, a file beside it names the process that holds it; a dead one's
    counts for nothing, if it ran on this machine. A UserError says that another process holds
    `what`.
    """
    import filelock

    path.parent.mkdir(parents=True, exist_ok=True)
    advice = "wait until it has finished"
    lock: filelock.BaseFileLock = filelock.FileLock(path)
    if not _can_lock(path.parent):
        # Not `path` itself: it may lie there from another machine, empty, and would count as held.
        marker = path.with_name(f"{path.name}-holder")
        advice += f", or delete {marker} if there is none"
        lock = filelock.SoftFileLock(marker)
    try:
        held = lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UserError(f"{what} is being written by another process; {advice}.") from None
    with held:
        yield


def _can_lock(folder: Path) -> bool:
    """Whether the disk that holds a folder knows locks; some network and shared disks do not."""
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that killed processes left in `folder` and below.

    Call it under the folder's lock: a live process's temporary files look the same.
    """
    for path in folder.rglob(".*.tmp"):
        path.unlink(missing_ok=True)


class Record(BaseModel):
    """A small record that travels with the data, as JSON or TOML."""

    model_config = ConfigDict(frozen=True, extra="forbid")


_AnyRecord = TypeVar("_AnyRecord", bound=BaseModel)


def write_record(path: Path, record: BaseModel) -> None:
    """Write a record as JSON, or as TOML if the file's name says so."""
    if path.suffix == ".toml":
        text = tomli_w.dumps(record.model_dump(exclude_none=True), multiline_strings=True)
    else:
        text = record.model_dump_json(indent=2) + "\n"
    write_text(path, text)


def read_record(
    path: Path,
    kind: type[_AnyRecord],
    *,
    mend: str = "delete it and run the command again that writes it",
) -> _AnyRecord:
    """Read a record of that kind.

    A missing file raises a FileNotFoundError, a damaged one a UserError that ends in `mend`.
    """
    content = path.read_bytes()
    try:
        if path.suffix == ".toml":
            return kind.model_validate(tomllib.loads(content.decode()))
        return kind.model_validate(json.loads(content))
    except ValueError as error:  # pydantic's ValidationError is one
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is not a readable {kind.__name__} ({reason}); {mend}.") from None
