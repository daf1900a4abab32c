"""What predictions cost: a network's, and the whole of `make submission` with its memory."""

import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from rich.table import Table

from pipeline.bench.command import Done, run_command
from pipeline.bench.figures import Conditions, Figures, Series
from pipeline.bench.rates import interleave
from pipeline.bench.synthetic import synthetic_images, write_synthetic_data
from pipeline.bench.tables import new_table
from pipeline.console import Bar, Reporter
from pipeline.data.competition import Competition
from pipeline.data.preprocessing import Preprocessing
from pipeline.errors import UserError
from pipeline.networks import create_model
from pipeline.runs.workspace import Workspace
from pipeline.settings.fields import Settings
from pipeline.training.device import Device
from pipeline.training.inference import predict_logits

_RUN = "bench"
_REPOSITORY = ("Makefile", "pipeline", ".ci", ".venv", "pyproject.toml", "requirements.lock")


class NetworkPrediction(Figures):
    """One network on all test images, from uint8 in memory to logits in memory.

    Attributes:
        name: The network's name.
        num_images: How many.
        seconds: How long.
    """

    name: str
    num_images: int
    seconds: Series


class CommandFigures(Figures):
    """One command line.

    Attributes:
        name: The command, in words.
        seconds: From its start to its end.
        peak_bytes: Resident memory of its largest process at its peak, the highest of all rounds.
    """

    name: str
    seconds: Series
    peak_bytes: int


class PredictionFigures(Figures):
    """Networks and commands.

    Attributes:
        conditions: Device and precision.
        networks: One for each network of the presets.
        commands: The run's training, then `make submission`.
    """

    conditions: Conditions
    networks: tuple[NetworkPrediction, ...]
    commands: tuple[CommandFigures, ...]


def measure_prediction(
    presets: Mapping[str, Settings],
    competition: Competition,
    device: Device,
    repository: Path,
    reporter: Reporter,
    *,
    num_rounds: int = 3,
    num_train: int | None = None,
    num_test: int | None = None,
) -> PredictionFigures:
    """Measure the presets' networks, and `make submission` on noise in a temporary folder.

    Args:
        presets: Presets whose networks are measured, by name.
        competition: Decides the images' shape and number.
        device: Where to compute.
        repository: The folder with the Makefile.
        reporter: Shows the progress.
        num_rounds: Times that each is measured.
        num_train: Training images; by default the competition's number.
        num_test: Test images; by default the competition's number.

    Raises:
        UserError: There is no Makefile, or a command failed.
    """
    if not (repository / "Makefile").exists():
        raise UserError(
            f"the benchmark of `make submission` found no Makefile in {repository.resolve()}; "
            "run it in the repository's folder."
        )
    num_test = num_test or competition.num_test
    networks = {settings.model: settings for settings in presets.values()}
    measures: dict[str, Callable[[], float]] = {
        name: partial(_time_prediction, settings, competition, device, num_test)
        for name, settings in networks.items()
    }
    with reporter.bar("prediction", (num_rounds + 1) * len(measures)) as bar:
        seconds = interleave(measures, num_rounds, bar)
    with tempfile.TemporaryDirectory() as name, reporter.bar("commands", 1 + 2 * num_rounds) as bar:
        workspace = Workspace(Path(name))
        for part in _REPOSITORY:
            (workspace.root / part).symlink_to((repository / part).resolve())
        write_synthetic_data(
            workspace,
            competition,
            num_train=num_train or competition.num_train,
            num_test=num_test,
        )
        commands = _measure_commands(workspace, competition, device, num_rounds, bar)
    return PredictionFigures(
        conditions=Conditions.of(device),
        networks=tuple(
            NetworkPrediction(name=name, num_images=num_test, seconds=seconds[name])
            for name in networks
        ),
        commands=commands,
    )


def _time_prediction(
    settings: Settings, competition: Competition, device: Device, num_images: int
) -> float:
    images = synthetic_images(num_images, competition).images
    model = create_model(settings.model, competition.image_shape, competition.num_classes, 0.0)
    model, preprocessing = model.to(device.torch), Preprocessing.of(images)
    start = time.perf_counter()
    predict_logits(model, images, preprocessing, device, batch_size=settings.predict_batch_size)
    return time.perf_counter() - start


def _measure_commands(
    workspace: Workspace, competition: Competition, device: Device, num_rounds: int, bar: Bar
) -> tuple[CommandFigures, ...]:
    precision = "bfloat16" if device.bfloat16 else "float32"
    knobs = [
        f"COMPETITION={competition.slug}",
        f"RUN={_RUN}",
        "EPOCHS=1",
        f"DEVICE={device.torch.type}",
        f"SET=precision={precision}",
    ]

    def make(target: str) -> Done:
        done = run_command(["make", target, *knobs], workspace.root)
        bar.advance()
        return done

    trained, predicted, idle = [make("train")], [], []
    for _ in range(num_rounds):
        workspace.run(_RUN).test_probs.unlink(missing_ok=True)
        workspace.submission(_RUN).unlink(missing_ok=True)
        predicted.append(make("submission"))
        idle.append(make("submission"))
    assert all("Nothing to be done" in done.output for done in idle)
    return (
        _command("make train, 1 epoch", trained),
        _command("make submission, trained before", predicted),
        _command("make submission, nothing to do", idle),
    )


def _command(name: str, rounds: list[Done]) -> CommandFigures:
    return CommandFigures(
        name=name,
        seconds=Series(values=tuple(done.seconds for done in rounds)),
        peak_bytes=max(done.peak_bytes for done in rounds),
    )


def prediction_table(figures: PredictionFigures) -> Table:
    """Return seconds, rates and memory as a table."""
    rounds = len(figures.networks[0].seconds.values)
    table = new_table(
        f"Prediction, {figures.conditions}",
        f"median of {rounds} rounds (training: of one), ± half their range; a network: from "
        "uint8 in memory to logits in memory; a command: the whole of it, on noise in the real "
        "data's size; peak: resident memory of its largest process",
        ("what",),
        ("seconds", "images/s", "peak"),
    )
    for network in figures.networks:
        table.add_row(
            f"{network.name}, {network.num_images:,} images",
            network.seconds.show(".2f"),
            f"{network.num_images / network.seconds.median:,.0f}",
            "",
        )
    for command in figures.commands:
        table.add_row(
            command.name, command.seconds.show(".2f"), "", f"{command.peak_bytes / 1e9:.2f} GB"
        )
    return table
