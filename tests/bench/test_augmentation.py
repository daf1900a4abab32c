from pipeline.bench.augment import IN_COLOUR, RECIPES, augmentation_table, measure_augmentation
from pipeline.bench.figures import Figure, Figures
from pipeline.training.device import choose_device
from tests import tiny
from tests.bench.printing import printed


def test_every_recipe_is_measured_on_every_engine():
    figures = measure_augmentation(
        choose_device("cpu", "float32"),
        tiny.Lines(),
        num_workers=1,
        num_rounds=1,
        batch_sizes=(8, 16),
        num_images=512,
        seconds=0.01,
    )
    names = {"+".join(parts) for parts in RECIPES} | set(IN_COLOUR)
    assert {each.what["recipe"] for each in figures.figures} == names
    for name in names:
        engines = {e.what["engine"] for e in figures.figures if e.what["recipe"] == name}
        assert {"albumentations, 1 process", "albumentations, 1 workers"} < engines
        assert {"batched, 8 a call", "batched, 16 a call"} < engines
    assert all(each.unit == "images/s" and each.median > 0 for each in figures.figures)
    text = printed(augmentation_table(figures))
    assert text.count("albumentations, 1 process") == len(names)


def test_the_ratio_is_to_albumentations_in_worker_processes():
    rates = {"albumentations, 1 process": 50, "albumentations, 2 workers": 100, "kornia": 730}
    engines = [
        Figure(what={"recipe": "Affine", "engine": name}, unit="images/s", values=(rate,))
        for name, rate in rates.items()
    ]
    figures = Figures(device="CPU, float32", figures=tuple(engines))
    rows = [line.split() for line in printed(augmentation_table(figures)).splitlines()]
    assert ["albumentations,", "1", "process", "50", "±0%", "0.5"] in rows
    assert ["kornia", "730", "±0%", "7.3"] in rows
