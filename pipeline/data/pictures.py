"""Pictures in a 7z archive, `1.png` and so on, read one after another into one array.

Nothing is unpacked to the disk, and of the files no more than one is held besides the array.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.data.competition import Competition
from pipeline.errors import UserError

if TYPE_CHECKING:
    import py7zr

_MODES = {1: "L", 3: "RGB"}
"""Pillow's names for pictures of so many channels."""


def read_pictures(
    path: Path, competition: Competition, expected: int | None, *, mend: str
) -> npt.NDArray[np.uint8]:
    """Return the pictures of a 7z archive in the order of their ids, uint8 (N, C, H, W).

    Its files are called after the ids, `<id>.png`, in whatever folder. 50,000 pictures of 32×32
    in colour are read in 14 s. At 300,000, the array takes 0.9 GB, py7zr's list of files 0.5 GB.

    Raises:
        UserError: It is missing, damaged or made to do harm, holds another number of pictures than
            expected (None: any will do), lacks or repeats one, or one is another kind of picture;
            the message names it and ends in `mend`.
    """
    with _opened(path, mend) as archive:
        number = _count(archive, path.name, competition, mend)
        if number != (expected or number):
            raise UserError(
                f"{path.name} has {number:,} pictures, but {competition.slug} has {expected:,}; "
                f"{mend}; or say ANY_SIZE=1 if this size is meant."
            )
        images = np.empty((number, *competition.image_shape), np.uint8)
        factory: Any = _Pictures(images, competition.first_id, path.name, mend)
        archive.extractall(factory=factory)
        assert factory.num_decoded == number
    return images


def write_pictures(path: Path, images: npt.NDArray[np.uint8], first_id: int) -> None:
    """Write uint8 pictures, (N, C, H, W), into a 7z archive as `<id>.png`, counting ids up."""
    import py7zr
    from PIL import Image

    packed = [{"id": py7zr.FILTER_COPY}]  # a PNG is compressed already
    with py7zr.SevenZipFile(path, "w", filters=packed) as archive:
        for image_id, image in enumerate(images, first_id):
            file = io.BytesIO()
            pixels = np.ascontiguousarray(image.transpose(1, 2, 0))
            Image.fromarray(pixels.squeeze()).save(file, "PNG")
            archive.writestr(file.getvalue(), f"{path.stem}/{image_id}.png")


@contextmanager
def _opened(path: Path, mend: str) -> Iterator["py7zr.SevenZipFile"]:
    """Give the archive; what fails while it is read is told."""
    try:
        import py7zr
    except ImportError:
        raise UserError(
            f"{path.name} needs py7zr to be read, which is not installed; run "
            "`.venv/bin/python -m pip install 'py7zr>=1.1.4'`."
        ) from None
    try:
        # An open file: of a path, several threads would read at once.
        with path.open("rb") as file, py7zr.SevenZipFile(file) as archive:
            yield archive
    except FileNotFoundError:
        raise UserError(f"{path.name} is missing; {mend}.") from None
    except (IsADirectoryError, PermissionError) as error:
        raise UserError(f"{path.name} cannot be read: {error.strerror}.") from None
    except (UserError, MemoryError):
        raise
    except py7zr.PasswordRequired:
        raise UserError(f"{path.name} is encrypted, where it should not be; {mend}.") from None
    except Exception as error:  # the reader raises many kinds on damaged archives
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{path.name} is damaged, or no 7z archive ({reason}); {mend}.") from None


def _count(archive: "py7zr.SevenZipFile", name: str, competition: Competition, mend: str) -> int:
    """The number of pictures, each of which is there once; another kind of archive is refused."""
    channels, height, width = competition.image_shape
    # A PNG of noise is hardly larger than its pixels; one that unpacks to more is a trap.
    most_bytes = 2 * channels * height * width + 65_536
    rows: set[int] = set()
    for file in archive.list():
        path = PurePosixPath(file.filename)
        if file.is_directory:
            continue
        row = int(path.stem) - competition.first_id if path.stem.isdecimal() else -1
        if row < 0 or path.name != f"{row + competition.first_id}.png":
            raise UserError(
                f"{name} should hold pictures called {competition.first_id}.png and so on, but "
                f"has {file.filename!r}; {mend}."
            )
        if not 0 < file.uncompressed <= most_bytes:
            raise UserError(
                f"{name}, {path}: expected a picture of 1 to {most_bytes:,} bytes, found "
                f"{file.uncompressed:,}; {mend}."
            )
        if row in rows:
            raise UserError(f"{name} has {path.name} more than once; {mend}.")
        rows.add(row)
    if not rows:
        raise UserError(f"{name} holds no pictures; {mend}.")
    if missing := set(range(len(rows))) - rows:
        raise UserError(
            f"{name} has {len(rows):,} pictures, but {min(missing) + competition.first_id}.png is "
            f"not among them; {mend}."
        )
    return len(rows)


class _Pictures:
    """What py7zr asks for a place to write each file to; it puts the pictures into the array."""

    def __init__(
        self, images: npt.NDArray[np.uint8], first_id: int, archive: str, mend: str
    ) -> None:
        self.images, self.first_id = images, first_id
        self.archive, self.mend = archive, mend
        self.num_decoded = 0

    def create(self, filename: str) -> "_Picture":
        return _Picture(self, Path(filename))


class _Picture(io.BytesIO):
    """One picture's bytes, decoded when the last has been written."""

    def __init__(self, pictures: _Pictures, file: Path) -> None:
        super().__init__()
        self._pictures, self._file = pictures, file

    def size(self) -> int:
        return self.getbuffer().nbytes

    def close(self) -> None:
        """Called by py7zr after each file."""
        from PIL import Image

        into = self._pictures.images[int(self._file.stem) - self._pictures.first_id]
        channels, height, width = into.shape
        mode = _MODES[channels]
        try:
            # The header alone tells size and mode: nothing large is ever decoded.
            with Image.open(self, formats=("PNG",)) as picture:
                if (picture.size, picture.mode) != ((width, height), mode):
                    raise self._fault(
                        f"{width}×{height} pixels in mode {mode}",
                        f"{picture.width}×{picture.height} in mode {picture.mode}",
                    )
                into[:] = np.asarray(picture).reshape(height, width, channels).transpose(2, 0, 1)
        except UserError:
            raise
        except Exception as error:  # Pillow raises many kinds on a damaged picture
            raise self._fault("a PNG", f"what cannot be decoded ({error})") from None
        self._pictures.num_decoded += 1
        super().close()

    def _fault(self, expected: str, found: Any) -> UserError:
        name = f"{self._pictures.archive}, {self._file.name}"
        return UserError(f"{name}: expected {expected}, found {found}; {self._pictures.mend}.")
