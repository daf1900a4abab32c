"""`manifest.json`: where the CSV files came from, and how they were when they were checked."""

from pipeline.data.competition import to_type
from pipeline.data.files import Record, read_record, sha256
from pipeline.data.inputs import InputPaths
from pipeline.errors import UserError


class FileFacts(Record):
    """One CSV file as it was when it was validated.

    Where its size and time of last change are the same, so are the bytes.
    """

    num_bytes: int
    mtime_ns: int
    sha256: str
    num_rows: int  # below the header


class Manifest(Record):
    """`input/<competition>/manifest.json`.

    Its hash is of the arrays in the cache (`Digits.sha256`): two downloads of the same digits
    agree, whatever their newlines.
    """

    competition: str
    source: str  # in words
    files: dict[str, FileFacts]  # by file name
    class_counts: dict[str, int]  # of the training images, by class name
    digits_sha256: str


def load_manifest(paths: InputPaths) -> Manifest:
    """Return the competition's manifest; a UserError if it is missing, damaged or another's."""
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
    touched = []
    for name, facts in manifest.files.items():
        file = paths.folder / name
        found = file.stat() if file.exists() else None
        if not found or (found.st_size, found.st_mtime_ns) != (facts.num_bytes, facts.mtime_ns):
            touched.append(name)
    return touched


def changed_file(paths: InputPaths, manifest: Manifest) -> str | None:
    """Return the name of the first file that has other bytes than the manifest says.

    A file that was copied, unpacked or put back has the same bytes under another time: it is read
    (0.1 s for `train.csv`) where its time alone tells nothing.
    """
    for name in touched_files(paths, manifest):
        file = paths.folder / name
        if not file.exists() or sha256(file) != manifest.files[name].sha256:
            return name
    return None


def file_facts(paths: InputPaths, num_rows: dict[str, int]) -> dict[str, FileFacts]:
    """Return the facts of files in the folder, of which the number of rows is known by name."""
    facts = {}
    for name, rows in num_rows.items():
        file = paths.folder / name
        found = file.stat()
        facts[name] = FileFacts(
            num_bytes=found.st_size,
            mtime_ns=found.st_mtime_ns,
            sha256=sha256(file),
            num_rows=rows,
        )
    return facts
