"""`digits.npz`: the CSV files' content as arrays, so that text is parsed once."""

import numpy as np
import numpy.typing as npt

from pipeline.data.competition import to_type
from pipeline.data.digits import Digits, read_test_file, read_train_file
from pipeline.data.files import replacing, sha256
from pipeline.data.inputs import InputPaths
from pipeline.data.manifest import Manifest, changed_file, load_manifest
from pipeline.errors import UserError


def save_digits(paths: InputPaths, digits: Digits) -> None:
    """Write the cache, whole or not at all.

    It is not compressed: 55 MB are read in 0.06 s that way, but take 0.4 s to decompress.
    """
    with replacing(paths.digits) as temporary, temporary.open("wb") as file:
        np.savez(file, **vars(digits), sha256=np.array(digits.sha256()))


def load_digits(paths: InputPaths) -> Digits:
    """Return the digits that the manifest describes.

    The CSV files are compared with the manifest; only one whose time is another is read for that. A
    missing, damaged or foreign cache is made again from the CSV files, which are then checked in
    full; nothing in a cache is ever executed. Without a manifest, or with a CSV file that is not
    the one that was checked, it raises a UserError.
    """
    manifest = _current_manifest(paths)
    arrays = _read_cache(paths, manifest, "train_images", "train_labels", "test_images")
    return Digits(*arrays) if arrays else _remake_cache(paths, manifest)


def load_training_images(paths: InputPaths) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return images, uint8 (N, C, H, W), and labels, (N,), as `load_digits` does, to train on.

    The test images are not read: there may be a gigabyte of them.
    """
    manifest = _current_manifest(paths)
    if arrays := _read_cache(paths, manifest, "train_images", "train_labels"):
        images, labels = arrays
        return images, labels
    digits = _remake_cache(paths, manifest)
    return digits.train_images, digits.train_labels


def _current_manifest(paths: InputPaths) -> Manifest:
    """The manifest, if the files are still those that it describes."""
    manifest = load_manifest(paths)
    if changed := changed_file(paths, manifest):
        command = to_type("data", paths.competition.slug)
        raise UserError(f"{changed} has changed since it was checked; run {command}.")
    return manifest


def cached_labels(paths: InputPaths, manifest: Manifest) -> npt.NDArray[np.uint8] | None:
    """Return the training labels, uint8 (N,), without the images; None if the cache has none."""
    arrays = _read_cache(paths, manifest, "train_labels")
    return arrays[0] if arrays else None


def _read_cache(
    paths: InputPaths, manifest: Manifest, *names: str
) -> list[npt.NDArray[np.uint8]] | None:
    """The cached arrays of these names, or None if there are none of this manifest."""
    try:
        with paths.digits.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            if str(arrays["sha256"]) != manifest.digits_sha256:
                return None
            # Reading a member to its end checks its CRC-32, so a flipped bit ends up below.
            return [arrays[name] for name in names]
    except Exception:  # numpy and zipfile raise many kinds on a damaged file
        return None


def _remake_cache(paths: InputPaths, manifest: Manifest) -> Digits:
    """The digits from the CSV files, which must still be those of the manifest, byte by byte."""
    for name, facts in manifest.files.items():
        if sha256(paths.folder / name) != facts.sha256:
            again = to_type("data", paths.competition.slug, FORCE="1")
            raise UserError(f"{name} has changed since it was checked; run {again}.")
    # Any size: a manifest of unusual size was only written because that was asked for.
    images, labels = read_train_file(paths.train, paths.competition, any_size=True)
    digits = Digits(images, labels, read_test_file(paths.test, paths.competition, any_size=True))
    assert digits.sha256() == manifest.digits_sha256
    save_digits(paths, digits)
    return digits
