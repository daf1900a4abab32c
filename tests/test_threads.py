"""A training beside other programs: as many threads as are fastest, and nothing else changed."""

import time

import pytest
import torch
from safetensors.torch import load_file

from pipeline.console import Silent
from pipeline.data.files import read_record
from pipeline.runs.records import FoldFacts
from pipeline.training import threads
from pipeline.training.run import train_run as train
from pipeline.training.threads import Threads
from tests import tiny

pytestmark = pytest.mark.machine


@pytest.fixture
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


class Machine:
    """Steps that take as long as is said for each number of threads."""

    def __init__(self, **milliseconds: float) -> None:
        self.milliseconds = milliseconds
        self.looks = 0

    def rehearsal(self):
        self.looks += 1
        return lambda: time.sleep(self.milliseconds[f"with{torch.get_num_threads()}"] / 1000)


def in_steps(found: Threads, machine: Machine) -> int:
    """The number of threads in a step."""
    with found.in_use():
        found.before_step(machine.rehearsal)
        return torch.get_num_threads()


@pytest.mark.usefixtures("four_threads")
def test_fewer_threads_are_used_while_they_are_faster(monkeypatch):
    for share in ("_SHARE", "_SHARE_BESIDE_OTHERS"):
        monkeypatch.setattr(threads, share, 1e9)  # look at every step
    found, free = Threads(), Machine(with4=5, with2=9, with1=17)
    assert [in_steps(found, free) for _ in range(3)] == [4, 4, 4]
    assert found.constant == 4
    assert in_steps(found, Machine(with4=30, with2=10, with1=18)) == 2
    assert in_steps(found, Machine(with4=60, with2=40, with1=15)) == 1
    assert torch.get_num_threads() == 4, "given back between epochs"
    assert found.constant is None
    assert in_steps(found, free) == 4


@pytest.mark.usefixtures("four_threads")
def test_what_is_hardly_faster_is_not_taken_and_looking_costs_a_hundredth(monkeypatch):
    found, machine = Threads(), Machine(with4=10, with2=9, with1=20)
    assert in_steps(found, machine) == 4
    looked = time.perf_counter()
    while time.perf_counter() < looked + 0.3:
        in_steps(found, machine)
    assert machine.looks == 1, "the next one is due after a hundred times its 0.156 s"


def test_one_thread_is_never_rehearsed():
    found, machine = Threads(), Machine()
    assert in_steps(found, machine) == 1
    assert machine.looks == 0


def test_rehearsals_leave_no_trace_in_the_weights(tiny_workspace, monkeypatch):
    def trained(name: str) -> dict[str, torch.Tensor]:
        spec = tiny.spec(tiny_workspace, name, model="dropout_cnn", dropout=0.5)
        train(spec, tiny_workspace, Silent())
        return load_file(tiny_workspace.run(name).fold(0).weights)

    def looking(self: Threads, rehearsal) -> None:
        looks.append(rehearsal()())

    looks = []
    undisturbed = trained("undisturbed")
    monkeypatch.setattr(Threads, "before_step", looking)
    rehearsed = trained("rehearsed")
    assert len(looks) >= 3
    assert all(torch.equal(undisturbed[name], rehearsed[name]) for name in undisturbed)


@pytest.mark.usefixtures("four_threads")
def test_a_fold_says_if_it_was_trained_by_changing_numbers(tiny_workspace, monkeypatch):
    fastest = [4]
    monkeypatch.setattr(threads, "_SHARE", 1e9)
    monkeypatch.setattr(threads, "_time", lambda step, number: 1 + (number != fastest[0]))

    class Later(tiny.Lines):
        def line(self, text: str) -> None:
            if text.startswith("epoch 1"):
                fastest[0] = 2

    train(tiny.spec(tiny_workspace), tiny_workspace, Later())
    facts = read_record(tiny_workspace.run("tiny").fold(0).facts, FoldFacts)
    assert facts.num_threads is None
