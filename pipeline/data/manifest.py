"""`manifest.json`: where the CSV files came from, and how they were when they were checked."""

from pipeline.data.competition import to_type
from pipeline.data.files import Record, read_record, sha256
from pipeline.data.inputs import InputPaths
from pipeline.errors import UserError


class FileFacts(Record):
    """One CSV file as it was when it was validated.

    Attributes:
        num_bytes: Size in bytes.
        mtime_ns: Time of last change, in nanoseconds: where it and the size are the same, so are
            the bytes.
        sha256: Hexadecimal hash of the bytes.
        num_rows: Rows below the header.
    """

    num_bytes: int
    mtime_ns: int
    sha256: str
    num_rows: int


class Manifest(Record):
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


def load_manifest(paths: InputPaths) -> Manifest:
    """Return the manifest of the competition's files.

    Raises:
        UserError: There is none, it is damaged, or it belongs to another competition.
    """
    slug = paths.competition.slug
    mend = f"run {to_type('data', slug)}"
    try:
        manifest = read_record(paths.manifest, Manifest, mend=mend)
    except FileNotFoundError:
        raise UserError(f"the data of {slug} are not here yet; {mend}.") from None
    if manifest.competition != slug:
        raise UserError(
            f"{paths.manifest} belongs to {manifest.competition}, not to {slug}; {mend}."
        )
    return manifest


def touched_files(paths: InputPaths, manifest: Manifest) -> list[str]:
    """Return the names of the files whose size or time is not the manifest's, or that are gone."""
    return [name for name, facts in manifest.files.items() if _is_touched(paths, name, facts)]


def changed_file(paths: InputPaths, manifest: Manifest) -> str | None:
    """Return the name of the first file that has other bytes than the manifest says.

    A file that was copied, unpacked or put back has the same bytes under another time: it is read
    (0.1 s for `train.csv`) where its time alone tells nothing.
    """
    for name in touched_files(paths, manifest):
        facts, file = manifest.files[name], paths.folder / name
        if not file.exists() or file.stat().st_size != facts.num_bytes:
            return name
        if sha256(file) != facts.sha256:
            return name
    return None


def _is_touched(paths: InputPaths, name: str, facts: FileFacts) -> bool:
    try:
        found = (paths.folder / name).stat()
    except FileNotFoundError:
        return True
    return (found.st_size, found.st_mtime_ns) != (facts.num_bytes, facts.mtime_ns)


def file_facts(paths: InputPaths, num_rows: dict[str, int]) -> dict[str, FileFacts]:
    """Return size, time, hash and rows of files in the folder.

    Args:
        paths: Where they lie.
        num_rows: Rows of each file, by its name.
    """
    facts = {}
    for name, rows in num_rows.items():
        found = (paths.folder / name).stat()
        facts[name] = FileFacts(
            num_bytes=found.st_size,
            mtime_ns=found.st_mtime_ns,
            sha256=sha256(paths.folder / name),
            num_rows=rows,
        )
    return facts
