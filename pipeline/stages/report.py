"""The report: a run on one page."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from pipeline.artifacts.digits_cache import load_manifest
from pipeline.artifacts.files import sha256, write_text
from pipeline.artifacts.paths import FoldPaths, Workspace
from pipeline.artifacts.probs import Probs, load_probs
from pipeline.artifacts.records import (
    EnsembleConfig,
    FoldFacts,
    Receipt,
    RunConfig,
    read_record,
)
from pipeline.artifacts.tables import read_history
from pipeline.augment.preview import draw_preview
from pipeline.augment.registry import deserialise
from pipeline.comparison.sides import Comparison
from pipeline.competition import get_competition
from pipeline.digits import Digits
from pipeline.engine.device import Device, choose_device
from pipeline.engine.prediction import predict_features
from pipeline.engine.training import EpochNumbers
from pipeline.errors import UserError
from pipeline.jobs.comparison import compare_runs
from pipeline.jobs.fold_training import fold_name
from pipeline.jobs.prediction import average_networks, restore_network
from pipeline.models import create_model
from pipeline.models.summary import summarise
from pipeline.report.embedding import choose_rows, lay_out
from pipeline.report.evidence import Evidence, Fold, Map, Training
from pipeline.report.page import ALL_SECTIONS, render_page
from pipeline.report.testset import NUM_SHOWN
from pipeline.reporting import Reporter, Silent
from pipeline.runs import (
    join_out_of_fold,
    load_out_of_fold,
    load_run_digits,
    read_config,
    read_run,
)

_BATCH = 512


def report(run: str, workspace: Workspace, reporter: Reporter, *, device: str = "auto") -> Path:
    """Write `runs/<run>/report.html` and return its path.

    Args:
        run: A run with at least one finished fold.
        workspace: Where everything lies.
        reporter: Shows the progress and says where the page is.
        device: Where the run's networks look at the images shown.

    Raises:
        UserError: There is no such run, nothing of it is finished, its data are not those it was
            trained on, or a file is damaged.
    """
    return _write(run, None, workspace, reporter, device)


def report_comparison(
    a: list[str], b: list[str], workspace: Workspace, reporter: Reporter, *, device: str = "auto"
) -> Path:
    """Write the report of B's first run with a comparison on top, and return its path.

    Args:
        a: The baseline: a run, or several that differ in the seed alone.
        b: The change, likewise.
        workspace: Where everything lies.
        reporter: Shows the progress and says where the page is.
        device: Where the run's networks look at the images shown.

    Raises:
        UserError: See `report` and `compare_runs`.
    """
    compared = compare_runs(a, b, workspace)  # refuses a side without a run
    return _write(b[0], compared, workspace, reporter, device)


def _write(
    run: str,
    compared: Comparison | None,
    workspace: Workspace,
    reporter: Reporter,
    device: str,
) -> Path:
    paths = workspace.run(run)
    path = paths.report_against(compared.a.runs[0]) if compared else paths.report
    with reporter.bar(f"report of {run}", len(ALL_SECTIONS) + 3) as bar:
        evidence = _gather(run, workspace, choose_device(device), bar.advance)
        page = render_page(evidence, compared, bar.advance)
    write_text(path, page)
    reporter.line(
        f"report of {run}, {len(page.encode()) / 1e6:.1f} MB: {path.relative_to(workspace.root)}"
    )
    return path


def _gather(
    run: str, workspace: Workspace, device: Device, on_step: Callable[[int], None]
) -> Evidence:
    """Read what a run left, and let its networks look at the images that are shown."""
    record = read_run(run, workspace)
    digits = load_run_digits(record, workspace)
    out_of_fold = _load_out_of_fold(record, workspace)
    if not np.isfinite(out_of_fold.probs).all():
        raise UserError(
            f"the probabilities of run {run} are not numbers: its training diverged; train again "
            'with a lower rate, such as SET="learning_rate=0.001".'
        )
    trainings = [_read_training(name, workspace, digits) for name in record.member_names or [run]]
    on_step(1)
    inputs = workspace.input(get_competition(record.competition))
    test_images = digits.test_images[:NUM_SHOWN]
    probs = [
        average_networks(
            workspace.run(training.config.run),
            [fold.number for fold in training.folds],
            test_images,
            Silent(),
            device=device,
            batch_size=_BATCH,
        )
        for training in trainings
    ]
    on_step(1)
    laid_out = _map(trainings[0], workspace, digits, device)
    on_step(1)
    return Evidence(
        run=run,
        competition=inputs.competition,
        manifest=load_manifest(inputs),
        train_images=digits.train_images,
        train_labels=digits.train_labels,
        test_images=test_images,
        test_probs=np.mean(probs, axis=0),
        num_test=len(digits.test_images),
        out_of_fold=out_of_fold,
        trainings=trainings,
        map=laid_out,
        receipt=_read_receipt(workspace.receipt(run)),
    )


def _load_out_of_fold(record: RunConfig | EnsembleConfig, workspace: Workspace) -> Probs:
    """The probabilities of all validation images: of a run, those of whatever is finished."""
    paths = workspace.run(record.run)
    if isinstance(record, RunConfig):
        if not paths.finished_folds():
            raise UserError(
                f"run {record.run} has no finished fold yet; finish it with "
                f"`make train RUN={record.run}`."
            )
        return join_out_of_fold(paths)
    for member in record.members:
        oof = workspace.run(member.run).oof
        if not oof.exists() or sha256(oof) != member.oof_sha256:
            raise UserError(
                f"run {member.run} has changed since {record.run} was made of it; run "
                f"`make train RUN={record.run}`, which averages anew."
            )
    return load_out_of_fold(record.run, workspace)


def _read_training(run: str, workspace: Workspace, digits: Digits) -> Training:
    """What is known of one trained run."""
    config, paths = read_config(run, workspace), workspace.run(run)
    settings = config.settings
    competition = get_competition(config.competition)
    _, first_of_each_class = np.unique(digits.train_labels, return_index=True)
    network = create_model(
        settings["model"], competition.image_shape, competition.num_classes, settings["dropout"]
    )
    return Training(
        config=config,
        folds=[_read_fold(number, paths.fold(number)) for number in paths.finished_folds()],
        network=summarise(network, competition.image_shape),
        preview=draw_preview(
            digits.train_images[first_of_each_class],
            deserialise(config.recipe),
            title=f"Recipe {settings['augment']!r} on {competition.slug}",
            seed=settings["seed"],
        ),
    )


def _read_fold(number: int, paths: FoldPaths) -> Fold:
    try:
        facts = read_record(paths.facts, FoldFacts)
    except FileNotFoundError:
        facts = None
    history = TypeAdapter(list[EpochNumbers]).validate_python(read_history(paths.history))
    return Fold(number, fold_name(number), load_probs(paths.oof), history, facts)


def _read_receipt(path: Path) -> Receipt | None:
    try:
        return read_record(path, Receipt)
    except FileNotFoundError:
        return None


def _map(training: Training, workspace: Workspace, digits: Digits, device: Device) -> Map | None:
    """Lay out validation images of the training's first fold by its network's features."""
    if not len(training.folds[0].valid.ids):
        return None
    fold, seed = training.folds[0], training.config.settings["seed"]
    rows = choose_rows(fold.valid, digits.train_labels, seed)
    model, preprocessing = restore_network(workspace.run(training.config.run).fold(fold.number))
    features = predict_features(
        model.to(device.torch), digits.train_images[rows], preprocessing, device, batch_size=_BATCH
    )
    return Map(
        run=training.config.run,
        fold=fold.name,
        rows=rows,
        places=lay_out(features, seed),
        num_valid=len(fold.valid.ids),
    )
