"""The competition's CSV files out of a download: a zip archive, or a folder of plain files."""

import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pipeline.competition import Competition
from pipeline.errors import UserError

MAX_TOTAL_BYTES = 1 << 30
"""Refuse more than this: the three files are 0.13 GB, an archive that unpacks to more is a trap."""

_CHUNK_BYTES = 1 << 20
_ENCRYPTED = 0x1  # general purpose flag, bit 0 (PKWARE APPNOTE 4.4.4)


def take_csv_files(source: Path, folder: Path, competition: Competition) -> None:
    """Copy `train.csv`, `test.csv` and, if there, `sample_submission.csv` out of a download.

    The files may lie in one sub-folder of an archive. They are written under our own names, each
    archive member's checksum is tested, and nothing else is unpacked.

    Args:
        source: A zip archive or a folder.
        folder: Where to write; it exists and has none of the files.
        competition: Decides the files' names.

    Raises:
        UserError: There is no such source, it is not an archive or damaged, it lacks a file, or
            it is made to do harm.
        OSError: The disk is full, or the folder cannot be written.
    """
    required = (competition.train_csv, competition.test_csv)
    if source.is_dir():
        _copy_files(source, folder, required, competition.sample_csv)
        return
    if not source.is_file():
        raise UserError(
            f"ZIP={source} does not exist; give a zip archive or a folder of CSV files."
        )
    try:
        archive = zipfile.ZipFile(source)
    except OSError as error:
        raise UserError(f"ZIP={source} cannot be read: {error.strerror}.") from None
    except Exception as error:  # zipfile raises many kinds on a damaged directory
        raise UserError(_describe_damage(source, error)) from None
    with archive:
        left = MAX_TOTAL_BYTES
        members = _choose_members(archive, source.name, required, competition.sample_csv)
        for name, member in members.items():
            with (folder / name).open("xb") as file:
                for chunk in _unpack(archive, member, source):
                    left -= len(chunk)
                    if left < 0:  # the size that the archive's directory says need not be true
                        raise UserError(_too_large(source.name))
                    file.write(chunk)


def _copy_files(source: Path, folder: Path, required: tuple[str, ...], optional: str) -> None:
    """Copy from a folder of plain CSV files."""
    for name in (*required, optional):
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
        elif name in required:
            raise UserError(
                f"the folder {source.name or source} has no {name}; it needs "
                f"{' and '.join(required)}."
            )


def _choose_members(
    archive: zipfile.ZipFile, source: str, required: tuple[str, ...], optional: str
) -> dict[str, zipfile.ZipInfo]:
    """The members to unpack, by the name to write them under; harmful archives are refused."""
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        # We would write under our own names anyway; but whoever packed such a member meant harm,
        # so the rest of the archive is not to be trusted either.
        if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
            raise UserError(
                f"{source} is refused: its member {member.filename!r} would leave the folder; "
                "download the archive again from the competition's page."
            )
        if stat.S_ISLNK(member.external_attr >> 16):
            raise UserError(
                f"{source} is refused: its member {member.filename!r} is a link; download the "
                "archive again from the competition's page."
            )
        if path.name not in (*required, optional) or member.is_dir():
            continue
        if path.name in members:
            raise UserError(f"{source} has {path.name} twice; it should have it once.")
        if member.flag_bits & _ENCRYPTED:
            raise UserError(f"{source} is encrypted; unpack it and give the folder as ZIP=.")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UserError(
                f"{source} is packed in an unusual way; unpack it and give the folder as ZIP=."
            )
        members[path.name] = member
    if missing := [name for name in required if name not in members]:
        inside = [member.filename for member in archive.infolist()]
        listed = ", ".join(inside[:3]) + (", …" if len(inside) > 3 else "")
        raise UserError(
            f"{source} has no {missing[0]} (it holds: {listed or 'nothing'}); is it the archive "
            "of another competition?"
        )
    if sum(member.file_size for member in members.values()) > MAX_TOTAL_BYTES:
        raise UserError(_too_large(source))
    return members


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, source: Path) -> Iterator[bytes]:
    """The member's bytes, piece by piece; after the last one its checksum has been tested."""
    try:
        with archive.open(member) as packed:
            while chunk := packed.read(_CHUNK_BYTES):
                yield chunk
    except Exception as error:  # from reading alone: what fails in the caller does not come here
        raise UserError(_describe_damage(source, error)) from None


def _too_large(source: str) -> str:
    return (
        f"{source} is refused: it would unpack to more than {MAX_TOTAL_BYTES >> 20:,} MiB; "
        "download the archive again from the competition's page."
    )


def _describe_damage(source: Path, error: Exception) -> str:
    """What is wrong with an archive, as a sentence."""
    with source.open("rb") as file:
        start = file.read(4)
    if not start:
        what = "is empty"
    elif start != b"PK\x03\x04":
        what = "is not a zip archive"
    elif "not a zip file" in str(error):
        what = "is cut short: the end of the archive is missing"
    else:
        what = f"is damaged ({error})"
    return f"{source.name} {what}; download it again."
