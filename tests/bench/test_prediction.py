"""Commands are run as typed; their memory is their own."""

import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.bench.command import run_command
from pipeline.bench.prediction import measure_prediction, prediction_table
from pipeline.errors import UserError
from tests import tiny
from tests.bench.printing import printed
from tests.test_makefile import make_checkout


def test_a_commands_memory_is_not_that_of_the_benchmark(tmp_path):
    held = np.ones(400_000_000, np.uint8)
    small = run_command([sys.executable, "-S", "-c", "print('done')"], tmp_path)
    large = run_command([sys.executable, "-S", "-c", "b'1' * 200_000_000"], tmp_path)
    assert small.output == "done\n"
    assert small.peak_bytes < 100_000_000 < 200_000_000 < large.peak_bytes < held.nbytes
    assert 0 < small.seconds < 30


def test_a_command_that_fails_is_the_benchmarks_fault_told_in_its_words(tmp_path):
    with pytest.raises(UserError, match="failed in the benchmark: no such thing"):
        run_command([sys.executable, "-c", "exit('no such thing')"], tmp_path)


def files(root: Path) -> list[Path]:
    """All files below, but for the bytecode that Python keeps if it is allowed to."""
    return sorted(path for path in root.rglob("*") if "__pycache__" not in path.parts)


@pytest.mark.slow
def test_make_submission_is_measured_on_noise_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    checkout = make_checkout(tmp_path / "repository")
    spec = tiny.spec(checkout.workspace, precision="float32", predict_batch_size=16)
    before = files(checkout.root)
    reporter = tiny.Lines()
    found = measure_prediction(spec, checkout.root, reporter, num_rounds=1, sizes=(200, 30))
    assert files(checkout.root) == before
    network, train, submission, idle = found.figures
    assert network.facts["num_images"] == 30
    assert idle.median < submission.median, "nothing to do is quicker"
    assert idle.facts["peak_bytes"] < 150e6 < submission.facts["peak_bytes"], "and loads less"
    assert train.facts["peak_bytes"] < 5e9
    assert reporter.advanced == 1 + 3
    text = printed(prediction_table(found))
    assert "dropout_cnn, 30 images" in text
    assert f"{train.facts['peak_bytes'] / 1e9:.2f} GB" in text


def test_without_a_makefile_it_says_where_to_run(tiny_workspace):
    with pytest.raises(UserError, match="found no Makefile in"):
        measure_prediction(tiny.spec(tiny_workspace), tiny_workspace.root, tiny.Lines())
