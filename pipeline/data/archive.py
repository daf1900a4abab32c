"""The competition's CSV files out of a download: a zip archive, or a folder of plain files."""

import filecmp
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pipeline.data.competition import Competition
from pipeline.errors import UserError

MAX_TOTAL_BYTES = 1 << 30
"""Refuse more than this: the three files are 0.13 GB, an archive that unpacks to more is a trap."""

_ENCRYPTED = 0x1  # general purpose flag, bit 0 (PKWARE APPNOTE 4.4.4)


def take_csv_files(source: Path, folder: Path, competition: Competition) -> None:
    """Copy `train.csv`, `test.csv` and, if there, `sample_submission.csv` out of a download.

    It is a zip archive or a folder; the files may lie in one sub-folder. They are written into
    `folder` under our own names, each archive member's checksum is tested, and nothing else is
    unpacked. A source that is missing, damaged, incomplete or made to do harm raises a UserError.
    """
    if source.is_dir():
        for path in _choose_files(source, competition):
            shutil.copyfile(path, folder / path.name)
        return
    with _opened(source) as archive:
        left = MAX_TOTAL_BYTES
        for name, member in _choose_members(archive, source.name, competition).items():
            with (folder / name).open("xb") as file:
                for chunk in _unpack(archive, member, source):
                    left -= len(chunk)
                    if left < 0:  # the size that the archive's directory says need not be true
                        raise _too_large(source.name)
                    file.write(chunk)


def holds_the_files_of(source: Path, folder: Path, competition: Competition) -> bool:
    """Return whether a download has the very CSV files that lie in a folder.

    Archive members are compared by size and CRC-32 without unpacking: 0.1 s for the real ones,
    so that giving the same archive again costs nothing. Errors are those of `take_csv_files`.
    """
    if source.is_dir():
        files = _choose_files(source, competition)
        return all(filecmp.cmp(file, folder / file.name, shallow=False) for file in files)
    with _opened(source) as archive:
        members = _choose_members(archive, source.name, competition)
    return all(
        member.file_size == (folder / name).stat().st_size
        and zlib.crc32((folder / name).read_bytes()) == member.CRC
        for name, member in members.items()
    )


def _opened(source: Path) -> zipfile.ZipFile:
    """The archive, its directory read."""
    if not source.is_file():
        raise UserError(
            f"ZIP={source} does not exist; give a zip archive or a folder of CSV files."
        )
    try:
        return zipfile.ZipFile(source)
    except OSError as error:
        raise UserError(f"ZIP={source} cannot be read: {error.strerror}.") from None
    except Exception as error:  # zipfile raises many kinds on a damaged directory
        raise _damaged(source, error) from None


def _choose_files(source: Path, competition: Competition) -> list[Path]:
    """The CSV files in a folder, or in the only one of its sub-folders that has them."""
    required = competition.needed_files
    folders = [source, *(path for path in sorted(source.iterdir()) if path.is_dir())]
    having = [folder for folder in folders if (folder / competition.train_file).is_file()]
    folder = having[0] if len(having) == 1 else source
    files = [folder / name for name in (*required, competition.sample_csv)]
    files = [file for file in files if file.is_file()]
    if missing := [name for name in required if folder / name not in files]:
        hint = f"it needs {' and '.join(required)}"
        if zips := sorted(folder.glob("*.zip")):
            hint = f"give the zip in it, ZIP={zips[0]}, or unpack all zips and give their folder"
        elif len(having) > 1:
            hint = f"give one of its sub-folders, as in ZIP={having[0]}"
        raise UserError(f"the folder {folder.name or folder} has no {missing[0]}; {hint}.")
    return files


def _choose_members(
    archive: zipfile.ZipFile, source: str, competition: Competition
) -> dict[str, zipfile.ZipInfo]:
    """The members to unpack, by the name to write them under; harmful archives are refused."""
    required = competition.needed_files
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        # We would write under our own names anyway; but whoever packed such a member meant harm,
        # so the rest of the archive is not to be trusted either.
        harm = "is a link" if stat.S_ISLNK(member.external_attr >> 16) else ""
        if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
            harm = "would leave the folder"
        if harm:
            raise UserError(
                f"{source} is refused: its member {member.filename!r} {harm}; download the "
                "archive again from the competition's page."
            )
        if path.name not in (*required, competition.sample_csv) or member.is_dir():
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
        inside = archive.namelist()
        listed = ", ".join(inside[:3]) + (", …" if len(inside) > 3 else "")
        hint = "is it the archive of another competition?"
        if any(name.endswith(".zip") for name in inside):
            hint = "unpack it and the zips in it, and give their folder as ZIP=."
        raise UserError(f"{source} has no {missing[0]} (it holds: {listed or 'nothing'}); {hint}")
    if sum(member.file_size for member in members.values()) > MAX_TOTAL_BYTES:
        raise _too_large(source)
    return members


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, source: Path) -> Iterator[bytes]:
    """The member's bytes, piece by piece; after the last one its checksum has been tested."""
    try:
        with archive.open(member) as packed:
            while chunk := packed.read(1 << 20):
                yield chunk
    except Exception as error:  # from reading alone: what fails in the caller does not come here
        raise _damaged(source, error) from None


def _too_large(source: str) -> UserError:
    return UserError(
        f"{source} is refused: it would unpack to more than {MAX_TOTAL_BYTES >> 20:,} MiB; "
        "download the archive again from the competition's page."
    )


def _damaged(source: Path, error: Exception) -> UserError:
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
    return UserError(f"{source.name} {what}; download it again.")
