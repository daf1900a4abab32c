"""What predictions cost: a network's, and the whole of `make submission` with its memory."""

from pathlib import Path
from timeit import timeit

from rich.table import Table

from pipeline.bench.command import Done, run_command
from pipeline.bench.figures import Figure, Figures, new_table
from pipeline.bench.rates import prediction
from pipeline.bench.synthetic import synthetic_workspace
from pipeline.console import Reporter
from pipeline.data.competition import get_competition
from pipeline.errors import UserError
from pipeline.runs.spec import RunSpec
from pipeline.training.device import choose_device

_RUN = "bench"
_REPOSITORY = ("Makefile", "pipeline", ".ci", ".venv", "pyproject.toml", "requirements.lock")


def measure_prediction(
    spec: RunSpec,
    repository: Path,
    reporter: Reporter,
    *,
    num_rounds: int = 3,
    sizes: tuple[int, int] | None = None,
) -> Figures:
    """Measure a network, and `make submission` on noise in a temporary folder, in seconds.

    There are as many images as the competition has, or `sizes` to train on and to predict. The
    training before the submission is measured only once.

    Raises:
        UserError: There is no Makefile, or a command failed.
    """
    if not (repository / "Makefile").exists():
        raise UserError(
            f"the benchmark of `make submission` found no Makefile in {repository.resolve()}; "
            "run it in the repository's folder."
        )
    competition = get_competition(spec.settings.competition)
    num_train, num_test = sizes or (competition.num_train, competition.num_test)
    device = choose_device(spec.settings.device, spec.settings.precision)
    predict = prediction(spec, num_test)
    predict()  # warms up
    with (
        synthetic_workspace(competition, num_train, num_test) as workspace,
        reporter.bar("prediction", 1 + 3 * num_rounds) as bar,
    ):
        for part in _REPOSITORY:
            (workspace.root / part).symlink_to((repository / part).resolve())
        knobs = [f"COMPETITION={competition.slug}", f"DEVICE={device.torch.type}", f"RUN={_RUN}"]

        def make(target: str) -> Done:
            done = run_command(["make", target, "EPOCHS=1", *knobs], workspace.root)
            bar.advance()
            return done

        network, trained, predicted, idle = [], [make("train")], [], []
        for _ in range(num_rounds):
            network.append(timeit(predict, number=1))
            bar.advance()
            workspace.run(_RUN).test_probs.unlink(missing_ok=True)
            workspace.submission(_RUN).unlink(missing_ok=True)
            predicted.append(make("submission"))
            idle.append(make("submission"))
    assert all("Nothing to be done" in done.output for done in idle)
    what, facts = {"network": spec.settings.model}, {"num_images": num_test}
    figures = [Figure(what=what, unit="s", values=tuple(network), facts=facts)]
    for name, rounds in (
        ("make train, 1 epoch", trained),
        ("make submission, trained before", predicted),
        ("make submission, nothing to do", idle),
    ):
        seconds = tuple(done.seconds for done in rounds)
        facts = {"peak_bytes": max(done.peak_bytes for done in rounds)}
        figures.append(Figure(what={"command": name}, unit="s", values=seconds, facts=facts))
    return Figures(device=str(device), figures=tuple(figures))


def prediction_table(figures: Figures) -> Table:
    """Return seconds, rates and memory as a table."""
    network, *commands = figures.figures
    table = new_table(
        f"Prediction, {figures.conditions}",
        f"median of {len(network.values)} rounds (training: of one), ± half their range; a "
        "network: from uint8 in memory to logits in memory; a command: the whole of it, on noise "
        "in the real data's size; peak: resident memory of its largest process",
        ("what",),
        ("seconds", "images/s", "peak"),
    )
    num_images = network.facts["num_images"]
    table.add_row(
        f"{network.what['network']}, {num_images:,} images",
        network.show(".2f"),
        f"{num_images / network.median:,.0f}",
        "",
    )
    for command in commands:
        peak = f"{command.facts['peak_bytes'] / 1e9:.2f} GB"
        table.add_row(command.what["command"], command.show(".2f"), "", peak)
    return table
