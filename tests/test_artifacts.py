"""Files are whole or absent; damaged ones end in one sentence."""

import errno
import fcntl
import multiprocessing
import os
import re
import signal
import stat
import time

import numpy as np
import pytest

from pipeline.data.files import locked, read_record, replacing, write_record, write_text
from pipeline.data.manifest import Manifest
from pipeline.errors import UserError
from pipeline.runs.probs import Probs, load_probs, save_probs
from pipeline.runs.records import RunConfig
from pipeline.runs.weights import load_network
from tests import tiny

CONFIG = RunConfig(
    run="r",
    preset="standard",
    code_version="0",
    digits_sha256="a",
    folds_sha256="b",
    libraries={"torch": "2"},
    settings={"epochs": 3, "valid": 0.1, "augment": "none"},
    recipe='{"transform": null}',
)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "x.txt"
    write_text(path, "old")

    def fail() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half of the n")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    write_text(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def _hold(path, held):
    with locked(path, "it"):
        held.set()
        time.sleep(60)


def test_a_lock_is_freed_when_its_holder_is_killed(tmp_path):
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    holder = context.Process(target=_hold, args=(tmp_path / ".lock", held))
    holder.start()
    assert held.wait(120)
    with (
        pytest.raises(UserError, match="the run is being written"),
        locked(tmp_path / ".lock", "the run"),
    ):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    with locked(tmp_path / ".lock", "the run"):
        pass


def _refuse_to_lock(file: object, operation: int) -> None:
    raise OSError(errno.ENOLCK, "No locks available")


def _hold_without_flock(path, held):
    fcntl.flock = _refuse_to_lock
    _hold(path, held)


def test_a_disk_without_locks_still_lets_one_process_write_at_a_time(tmp_path, monkeypatch):
    path = tmp_path / ".lock"
    path.touch()  # as it lies there after the folder came from a disk with locks
    context = multiprocessing.get_context("fork")
    held = context.Event()
    holder = context.Process(target=_hold_without_flock, args=(path, held))
    holder.start()
    assert held.wait(30)
    monkeypatch.setattr(fcntl, "flock", _refuse_to_lock)
    marker = re.escape(str(tmp_path / ".lock-holder"))
    with (
        pytest.raises(UserError, match=f"the run is being written .* or delete {marker} if there"),
        locked(path, "the run"),
    ):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    for _ in range(2):
        with locked(path, "the run"):
            pass
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_without_permission_bits_is_written_all_the_same(tmp_path, monkeypatch):
    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", refuse)
    write_text(tmp_path / "x.txt", "new")
    assert (tmp_path / "x.txt").read_text() == "new"
    tiny.prepare(tmp_path / "work")  # `make data` and `make split`


@pytest.mark.parametrize("name", ["config.toml", "config.json"])
def test_records_come_back_as_they_were(tmp_path, name):
    write_record(tmp_path / name, CONFIG)
    assert read_record(tmp_path / name, RunConfig) == CONFIG


@pytest.mark.parametrize("name", ["config.toml", "config.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1]", b'{"run": 3}', b"a = 1"])
def test_damaged_records_are_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match="is not a readable"):
        read_record(tmp_path / name, Manifest)


def test_probabilities_come_back_and_damage_is_named(tmp_path):
    path = tmp_path / "p.npz"
    probs = Probs(np.arange(3), np.full((3, 10), 0.1, np.float32), "source")
    save_probs(path, probs)
    back = load_probs(path)
    assert back.made_from == "source"
    np.testing.assert_array_equal(back.ids, probs.ids)
    np.testing.assert_array_equal(back.probs, probs.probs)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match=r"p\.npz is damaged"):
        load_probs(path)
    np.savez(path, ids=np.array([{}], dtype=object), probs=probs.probs, made_from=np.array(""))
    with pytest.raises(UserError, match=r"p\.npz is damaged"):
        load_probs(path)  # objects would have to be unpickled


def test_damaged_weights_are_refused(tmp_path):
    for content in (b"", b"x" * 100, (10**9).to_bytes(8, "little") + b"{}"):
        (tmp_path / "m.safetensors").write_bytes(content)
        with pytest.raises(UserError, match="is damaged"):
            load_network(tmp_path / "m.safetensors")
