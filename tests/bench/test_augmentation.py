from pipeline.bench.augment import augmentation_table, bench_recipes, measure_augmentation
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
    assert {each.recipe for each in figures.engines} == set(bench_recipes())
    for name in bench_recipes():
        engines = [each.engine for each in figures.engines if each.recipe == name]
        assert "albumentations, 1 workers" in engines
        assert {"batched, 8 a call", "batched, 16 a call"} < set(engines)
    assert all(each.images_per_s.median > 0 for each in figures.engines)
    text = printed(augmentation_table(figures))
    assert text.count("albumentations, 1 process") == len(bench_recipes())
