"""Training on a Ray cluster of several nodes on this machine: what comes home, what is lost."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from pipeline.commands.sweep import run_sweep
from pipeline.commands.try_ import take_turn
from pipeline.console import Bar, Silent
from pipeline.errors import UserError
from pipeline.judging.search import Parameter, Search
from pipeline.runs.spec import specify_ensemble
from pipeline.runs.workspace import Workspace
from pipeline.training import cluster as of_cluster
from pipeline.training.ensemble import train_ensemble
from pipeline.training.run import train_run as train
from tests import tiny

pytestmark = [
    pytest.mark.machine,
    pytest.mark.slow,
    # Ray leaves log files of its processes open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ray = pytest.importorskip("ray", reason="needs the extra [cluster]")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes of one CPU each: the head, and another that may be lost."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_DEDUP_LOGS", "0")
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made
    ray.shutdown()
    made.shutdown()


def spec(workspace: Workspace, name: str, at: Any = None, **knobs: Any):
    address = {"cluster": at.address} if at else {}
    return tiny.spec(workspace, name, **{"model": "plain_cnn", "folds": "0,1"} | address | knobs)


def weights(workspace: Workspace, run: str, fold: int) -> dict[str, torch.Tensor]:
    return load_file(workspace.run(run).fold(fold).weights)


def assert_alike(workspace: Workspace, a: str, b: str, folds=(0, 1)) -> None:
    for fold in folds:
        mine, theirs = weights(workspace, a, fold), weights(workspace, b, fold)
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_networks_of_two_nodes_are_those_of_this_machine(tiny_workspace, cluster):
    cluster.add_node(num_cpus=1)
    said = tiny.Lines()
    there = train(spec(tiny_workspace, "there", cluster), tiny_workspace, said)
    here = train(spec(tiny_workspace, "here"), tiny_workspace, Silent())
    assert there == here
    assert_alike(tiny_workspace, "there", "here")
    assert "2 networks on a cluster of 2 nodes" in said.text
    assert "fold 1: epoch 3/3" in said.text
    again = tiny.Lines()
    train(spec(tiny_workspace, "there", cluster), tiny_workspace, again)
    assert "finished before" in again.text


def test_all_networks_of_an_ensemble_are_spread_at_once(tiny_workspace, cluster):
    members = [spec(tiny_workspace, "", cluster, seed=seed) for seed in (1, 2)]
    said = tiny.Lines()
    train_ensemble(specify_ensemble("both", "both", members), tiny_workspace, said)
    assert "4 networks on a cluster" in said.text
    assert "both" in said.text.splitlines()[-2]


def test_a_batch_of_trials_is_trained_at_once_and_scores_as_here(tiny_workspace, cluster):
    cluster.add_node(num_cpus=1)
    found = {}
    for address in (cluster.address, ""):
        base = tiny.spec(tiny_workspace, "", model="plain_cnn", augment="affine", cluster=address)
        space = [Parameter("setting", "learning_rate", 2e-3, (1e-3, 4e-3), log=True)]
        plan = Search(f"sweep-{bool(address)}", base, space, [0], batch=2)
        found[address] = run_sweep(plan, 2, tiny_workspace, Silent())
        for trial in found[address]:
            shutil.rmtree(tiny_workspace.run(trial.run).folder)
    assert found[cluster.address] == found[""]
    assert found[""][0].run != found[""][1].run


class Bars(tiny.Lines):
    """Remembers which bars were opened, among the lines."""

    def bar(self, label: str, total: int) -> AbstractContextManager[Bar]:
        self.lines.append(f"bar: {label}")
        return super().bar(label, total)


def test_both_sides_of_a_turn_are_trained_at_once(tiny_workspace, cluster):
    cluster.add_node(num_cpus=1)
    base, change = (
        spec(tiny_workspace, name, cluster, folds="0", learning_rate=rate)
        for name, rate in (("base", 2e-3), ("change", 1e-3))
    )
    said = Bars()
    turn = take_turn([(base, change)], [0], tiny_workspace, said)
    assert turn.num_trained == 2
    bars, result = said.text.partition("baseline  seed 0")[::2]
    assert "bar: both sides  base, fold 0" in bars
    assert "bar: both sides  change, fold 0" in bars
    assert "finished before" not in result
    again = Bars()
    assert take_turn([(base, change)], [0], tiny_workspace, again).num_reused == 2
    assert "finished before" in again.text
    assert "bar: " not in again.text


def test_a_cluster_is_reached_from_outside_too(tiny_workspace):
    """By a process of its own, as `ray start --head` listens: `ray://`."""
    from ray.cluster_utils import Cluster

    port = free_port()
    options = {"num_cpus": 1, "include_dashboard": False, "ray_client_server_port": port}
    made = Cluster(initialize_head=True, head_node_args=options)
    try:
        wait_for(port)
        knobs = {"cluster": f"ray://127.0.0.1:{port}", "folds": "0"}
        train(spec(tiny_workspace, "there", **knobs), tiny_workspace, Silent())
    finally:
        ray.shutdown()
        made.shutdown()
    train(spec(tiny_workspace, "here", folds="0"), tiny_workspace, Silent())
    assert_alike(tiny_workspace, "there", "here", folds=(0,))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for(port: int, seconds: float = 120.0) -> None:
    """A head's server of outside clients starts after the head; on a busy machine, long after."""
    end = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=5.0).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


class Loses(tiny.Lines):
    """Takes a node away when a network there has finished its first epoch."""

    def __init__(self, cluster: Any, node: Any) -> None:
        super().__init__()
        self._cluster, self._node = cluster, node

    def line(self, text: str) -> None:
        super().line(text)
        both = all(f"fold {fold}: epoch" in self.text for fold in (0, 1))
        if self._node and both:
            self._cluster.remove_node(self._node, allow_graceful=False)
            self._node = None


def test_a_lost_node_costs_an_epoch_and_no_bits(tiny_workspace, cluster):
    node = cluster.add_node(num_cpus=1)
    said = Loses(cluster, node)
    train(spec(tiny_workspace, "there", cluster, epochs=200), tiny_workspace, said)
    assert "its node was lost" in said.text
    assert "going on after epoch" in said.text
    train(spec(tiny_workspace, "here", epochs=200), tiny_workspace, Silent())
    assert_alike(tiny_workspace, "there", "here")


def test_a_killed_driver_loses_nothing_that_came_home(tiny_workspace, cluster):
    code = (
        "import sys; from pathlib import Path; from tests import test_cluster as t, tiny\n"
        "from pipeline.runs.workspace import Workspace\n"
        "w = Workspace(Path(sys.argv[1]))\n"
        "class C: address = sys.argv[2]\n"
        "class Loud(tiny.Lines):\n"
        "    def line(self, text): print(text, flush=True)\n"
        "t.train(t.spec(w, 'there', C, epochs=400), w, Loud())\n"
    )
    command = [sys.executable, "-c", code, str(tiny_workspace.root), cluster.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        for line in driver.stdout:
            if "epoch   2/400" in line:
                driver.send_signal(signal.SIGKILL)
                break
    checkpoint = tiny_workspace.run("there").fold(0).checkpoint
    assert checkpoint.exists()
    deadline = time.monotonic() + 60
    ray.init(address=cluster.address, log_to_driver=False)
    while ray.available_resources().get("CPU", 0) < 1:  # the tasks of a dead driver end
        assert time.monotonic() < deadline
        time.sleep(0.2)
    said = tiny.Lines()
    with pytest.raises(KeyboardInterrupt):
        train(spec(tiny_workspace, "there", cluster, epochs=400), tiny_workspace, Stops(said))
    assert "going on after epoch" in said.text


class Stops(tiny.Lines):
    """Types Ctrl-C when a network has gone on."""

    def __init__(self, heard: tiny.Lines) -> None:
        super().__init__()
        self._heard = heard

    def line(self, text: str) -> None:
        self._heard.line(text)
        if "going on after" in text:
            raise KeyboardInterrupt


def test_a_node_with_other_versions_is_refused_by_name(tiny_workspace, cluster, monkeypatch):
    monkeypatch.setattr(of_cluster, "library_versions", lambda: {"torch": "1.0.0"})
    with pytest.raises(UserError, match=rf"node {os.uname().nodename} has torch 2.* for 1\.0\.0"):
        train(spec(tiny_workspace, "there", cluster), tiny_workspace, Silent())


def test_a_task_without_memory_says_what_to_do(tiny_workspace, monkeypatch):
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_memory_usage_threshold", "0.0")  # any is too much
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "50")
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        with pytest.raises(UserError, match="the cluster has no memory left; end other"):
            train(spec(tiny_workspace, "there", made, epochs=4000), tiny_workspace, Silent())
    finally:
        ray.shutdown()
        made.shutdown()


def test_where_no_cluster_is_one_sentence_says_so(tiny_workspace):
    with pytest.raises(UserError, match=r"CLUSTER=127\.0\.0\.1:9: no Ray cluster answers there"):
        train(tiny.spec(tiny_workspace, cluster="127.0.0.1:9"), tiny_workspace, Silent())
