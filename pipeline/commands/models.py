"""`make models`: list the networks, their size, and their speed on this machine."""

from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from pipeline.bench.figures import Figures, new_table
from pipeline.bench.rates import Measure, alone, calls_per_s, interleave, prediction, training_rate
from pipeline.commands.knobs import Knobs
from pipeline.console import Reporter
from pipeline.data.competition import get_competition
from pipeline.networks import MODELS, create_model, fitting_models, has_dropout
from pipeline.networks.summary import count_work
from pipeline.runs.spec import RunSpec
from pipeline.runs.workspace import Workspace
from pipeline.settings.fields import Settings
from pipeline.training.device import choose_device


@dataclass(frozen=True)
class Models(Knobs):
    """List the networks: parameters, multiply-adds, and images/s measured on this machine."""

    def __call__(self, workspace: Workspace, reporter: Reporter) -> None:
        """Measure every network of the registry; nothing is written."""
        spec = self.specify(workspace)
        names = fitting_models(get_competition(spec.settings.competition).image_shape)
        if others := [name for name in MODELS if name not in names]:
            reporter.line(f"The images are too small for {', '.join(others)}.")
        reporter.line(f"Measuring {len(names)} networks in turn: about half a minute.")
        figures = measure_networks(spec, reporter)
        Console().print(networks_table(figures, spec.settings))


def measure_networks(
    spec: RunSpec, reporter: Reporter, *, num_rounds: int = 5, seconds: float = 0.3
) -> Figures:
    """Measure every network that takes the images, training and predicting, in images/s.

    Nothing is augmented. All but the network is the run's own: batch sizes, dropout, optimiser,
    device. Each is measured `num_rounds` times, for so many seconds at least.
    """
    device = choose_device(spec.settings.device, spec.settings.precision)
    measures = []
    for name in fitting_models(get_competition(spec.settings.competition).image_shape):
        each = alone(spec, name)
        for work, rate in (("train", training_rate), ("predict", prediction_rate)):
            measures.append(
                Measure({"network": name, "work": work}, "images/s", rate(each, seconds))
            )
    return interleave(measures, num_rounds, device, "measuring", reporter)


def prediction_rate(spec: RunSpec, seconds: float) -> Callable[[], float]:
    """Return what measures a network's prediction of one batch after another, in images/s."""
    batch_size = spec.settings.predict_batch_size
    predict = prediction(spec, batch_size)
    return lambda: batch_size * calls_per_s(predict, seconds)


def networks_table(figures: Figures, settings: Settings) -> Table:
    """Return the networks' sizes, and the speeds that were measured under these settings."""
    competition = get_competition(settings.competition)
    shape = competition.image_shape
    table = new_table(
        f"Networks at {'×'.join(map(str, shape))}, {figures.conditions}",
        f"train/s and predict/s: images/s, median of {len(figures.figures[0].values)} interleaved "
        f"rounds, ± half their range; training in batches of {settings.batch_size}, without "
        f"augmentation; prediction in batches of {settings.predict_batch_size:,}",
        ("network",),
        ("params", "mult-adds", "dropout", "train/s", "predict/s"),
    )
    for name in fitting_models(shape):
        model = create_model(name, shape, competition.num_classes, settings.dropout)
        work = count_work(model, shape)
        table.add_row(
            name,
            f"{work.num_parameters:,}",
            f"{work.mult_adds / 1e6:,.2f} M",
            "yes" if has_dropout(model) else "none",
            *(each.show() for each in figures.figures if each.what["network"] == name),
        )
    return table
