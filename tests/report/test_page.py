"""`make report` through its stage, and the page in a real browser."""

import io
import itertools
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from pipeline.commands.ensemble import Ensemble
from pipeline.commands.report import Report
from pipeline.console import Silent
from pipeline.data.digits_cache import load_digits
from pipeline.data.files import read_record, write_record
from pipeline.errors import UserError
from pipeline.runs.history import read_history, write_history
from pipeline.runs.probs import Probs, load_probs, save_probs
from pipeline.runs.records import FoldFacts, Receipt
from pipeline.runs.weights import Network, load_network, save_network
from pipeline.runs.workspace import Workspace
from pipeline.training.run import train_run
from tests import tiny
from tests.report.browser import Visit, open_browser

pytestmark = pytest.mark.machine

SECTIONS = [
    *("Verdict", "Learning curves", "Classes and confusions", "Worst mistakes"),
    *("Labels that look wrong", "Calibration", "The images as the network sees them"),
    *("Augmentation", "First test images", "Network", "How it was made"),
]
LABELS = np.arange(tiny.NUM_TRAIN) % 10
"""Of the synthetic competition's training images."""

PLANTED = {1: (3, 0.995), 4: (6, 0.6)}
"""Label → what four of its images are read as, with which probability."""

MISREAD = {label + 50 * number: said for label, said in PLANTED.items() for number in range(4)}
"""Row → what it is read as by the run "tiny", with which probability."""

_OTHERS = [row for row in range(tiny.NUM_TRAIN) if LABELS[row] not in PLANTED]
MISREAD_BY_OTHER = {row: ((LABELS[row] + 1) % 10, 0.6) for row in _OTHERS[:60]}
"""The same of the run "other": more images than a page has room for, none of them "tiny"'s."""

LEARNT = [
    {"train_loss": 2.1, "valid_loss": 1.3, "valid_correct": 61},
    {"train_loss": 0.6, "valid_loss": 0.2, "valid_correct": 96},
]
"""What is told of the two epochs of each fold, of 100 images."""


def read_png(picture: bytes) -> np.ndarray:
    """A PNG as float (H, W, 3 or 4) in [0, 1]."""
    return imread(io.BytesIO(picture))


def write_trained(
    workspace: Workspace, name: str, misread: dict[int, tuple[int, float]], **settings: object
) -> None:
    """Train a run on both halves of the images, and have it say what was chosen.

    Its networks are real, but the page shows what networks learn on no processor in particular:
    which images they misread, with which probability, and how their losses fell.
    """
    spec = tiny.spec(workspace, name, epochs=2, valid=0.5, folds="all", **settings)
    train_run(spec, workspace, Silent())
    paths = workspace.run(name)
    for path in [paths.oof, *(paths.fold(fold).oof for fold in paths.finished_folds())]:
        found = load_probs(path)
        probs = np.full_like(found.probs, 0.001)
        for row_probs, row in zip(probs, found.ids.tolist(), strict=True):
            says, prob = misread.get(row, (LABELS[row], 0.991))
            row_probs[:] = (1 - prob) / 9
            row_probs[says] = prob
        save_probs(path, Probs(found.ids, probs, found.made_from))
    for fold in paths.finished_folds():
        history = read_history(paths.fold(fold).history)
        told = [replace(epoch, **learnt) for epoch, learnt in zip(history, LEARNT, strict=True)]
        write_history(paths.fold(fold).history, told)


@pytest.fixture(scope="module", autouse=True)
def networks_may_predict_something_else():
    """What they are made to have said is not what they predict."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("pipeline.training.inference.MOST_APART", np.inf)
        yield


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run "tiny" of two folds, with planted mistakes."""
    workspace = tiny.prepare(tmp_path_factory.mktemp("report"))
    write_trained(workspace, "tiny", MISREAD, augment="affine")
    return workspace


@pytest.fixture(scope="module")
def page(workspace) -> Path:
    reporter = tiny.Lines()
    path = Report(run="tiny", device="cpu")(workspace, reporter)
    assert path == workspace.root / "runs" / "tiny" / "report.html"
    assert "runs/tiny/report.html" in reporter.text
    return path


@pytest.fixture(scope="module")
def browser():
    with open_browser() as opened:
        yield opened


def test_it_loads_whole_without_an_error_or_a_request(browser, page):
    visit = Visit(browser, page)
    assert visit.complaints == []
    assert visit.requests == []
    assert visit.page.locator("h2").all_inner_texts() == SECTIONS
    for name in SECTIONS:
        link = visit.page.get_by_role("navigation").get_by_role("link", name=name, exact=True)
        target = visit.page.locator(link.get_attribute("href"))
        assert target.get_by_role("heading", level=2).inner_text() == name
    assert len(page.read_bytes()) < 5e6


def test_the_verdict_names_accuracy_images_interval_and_expected_score(browser, page):
    text = Visit(browser, page).page.locator("#verdict").inner_text()
    assert "0.9600" in text
    assert "192 of 200 images" in text
    assert "95 %: 0.9231–0.9796" in text  # Wilson's interval
    assert f"on {tiny.NUM_TEST} test images" in text
    assert "not submitted yet" in text
    assert "4 of 200 labels look wrong" in text, "those misread with confidence"


@pytest.mark.parametrize("script", [True, False])
def test_a_cell_of_the_confusion_matrix_opens_its_digits(browser, page, script):
    visit = Visit(browser, page, java_script_enabled=script)
    cell = visit.page.locator("#cell-4-6")
    assert not cell.is_visible()
    link = visit.page.get_by_role("link", name="4 read as 6: 4 images")
    link.focus()
    visit.page.keyboard.press("Enter")
    cell.wait_for(state="visible")
    assert not visit.page.locator("#cell-1-3").is_visible(), "one cell at a time"
    digits = cell.locator(".digit")
    assert digits.count() == 4
    assert re.fullmatch(r"row \d+4: a 4 read as 6, .*", digits.first.get_attribute("aria-label"))


def test_a_digit_shows_the_pixels_of_its_row(browser, page, workspace):
    visit = Visit(browser, page)
    digit = visit.page.locator("#mistakes .digit").first
    row = int(re.search(r"row (\d+)", digit.get_attribute("aria-label"))[1])
    shown = (read_png(digit.screenshot()))[1::3, 1::3].mean(axis=2)
    digits = load_digits(workspace.input(tiny.COMPETITION))
    np.testing.assert_allclose(255 * (1 - shown), digits.train_images[row, 0], atol=12)


def test_pointing_tapping_and_arrow_keys_show_the_digit_of_a_dot(browser, page):
    visit = Visit(browser, page, has_touch=True)
    shown = visit.page.locator("#shown")
    dots = visit.page.locator("#dots circle[data-x]")
    assert dots.count() == 100, "the validation images of one network"
    assert not shown.is_visible()

    dots.nth(40).scroll_into_view_if_needed()
    place = dots.nth(40).bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    visit.page.mouse.move(x, y)
    assert re.search(r"row \d+: \d, read (right|as \d)", shown.inner_text())
    ink = read_png(shown.locator(".digit").screenshot())
    assert ink[..., :3].std() > 0.05, "a digit can be seen"
    visit.page.mouse.move(1, y)
    assert not shown.is_visible()

    visit.page.touchscreen.tap(x, y)
    assert shown.is_visible()
    first = shown.inner_text()
    visit.page.locator("#dots").focus()
    seen = set()
    for key in ["ArrowLeft"] * 3 + ["ArrowUp"] * 3 + ["ArrowRight"] * 3 + ["ArrowDown"] * 3:
        visit.page.keyboard.press(key)
        seen.add(shown.inner_text())
    assert len(seen - {first}) >= 3
    visit.page.keyboard.press("Escape")
    assert not shown.is_visible()
    assert visit.complaints == []


def test_it_fits_a_phone(browser, page):
    phone = Visit(browser, page, viewport={"width": 360, "height": 740}, is_mobile=True).page
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    for anchor in ("cell-1-3", "dots", "matrix"):
        phone.goto(f"{page.as_uri()}#{anchor}")
        assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    too_small = phone.evaluate(
        "[...document.querySelectorAll('.matrix a')].filter(a => {"
        "const box = a.getBoundingClientRect(); return box.width < 24 || box.height < 24;}).length"
    )
    assert too_small == 0, "a finger must find each cell (WCAG 2.2, target size)"


CONTRASTS = """() => {
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return text.startsWith('color(') ? [255 * r, 255 * g, 255 * b, a] : [r, g, b, a];
  };
  const light = ([r, g, b]) => [r, g, b]
    .map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color[3] === 1) return color;
    }
    return [255, 255, 255, 1];
  };
  const found = [];
  for (const element of document.querySelectorAll('body *:not(script):not(style)')) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own) continue;
    const style = getComputedStyle(element);
    const ink = light(parse(element.ownerSVGElement ? style.fill : style.color));
    const ground = light(behind(element));
    const [high, low] = ink > ground ? [ink, ground] : [ground, ink];
    found.push([(high + 0.05) / (low + 0.05), element.outerHTML.slice(0, 120)]);
  }
  return found.sort((a, b) => a[0] - b[0]);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser, page, scheme):
    contrasts = Visit(browser, page, color_scheme=scheme).page.evaluate(CONTRASTS)
    assert len(contrasts) > 300
    assert contrasts[0][0] >= 4.5, f"WCAG 2.2 AA: {contrasts[0]}"


def test_dark_mode_turns_paper_and_digits(browser, page):
    brightness = {}
    for scheme in ("light", "dark"):
        visit = Visit(browser, page, color_scheme=scheme)
        digit = visit.page.locator("#mistakes .digit").first
        brightness[scheme] = [
            (read_png(picture))[..., :3].mean()
            for picture in (visit.page.screenshot(), digit.screenshot())
        ]
    (paper, ink), (dark_paper, dark_ink) = brightness["light"], brightness["dark"]
    assert paper > 0.8 > 0.2 > dark_paper
    assert ink + dark_ink == pytest.approx(1, abs=0.15)


def test_print_shows_all_mistakes_on_white_paper(browser, page):
    visit = Visit(browser, page, color_scheme="dark")
    assert not visit.page.locator("#cell-4-6").is_visible()
    visit.page.emulate_media(media="print")
    assert visit.page.locator("#cell-4-6").is_visible()
    assert visit.page.locator("#cell-1-3").is_visible()
    assert not visit.page.get_by_role("navigation").is_visible()
    background = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert np.mean([int(v) for v in re.findall(r"\d+", background)[:3]]) > 240
    assert visit.page.pdf(format="A4").startswith(b"%PDF")


def test_pictures_have_words_and_headings_have_an_order(browser, page):
    nameless = Visit(browser, page).page.evaluate(
        "[...document.querySelectorAll('img, svg, [role=img]')].filter("
        "e => !(e.getAttribute('alt') || e.getAttribute('aria-label'))).length"
    )
    assert nameless == 0
    page_text = page.read_text()
    levels = [int(level) for level in re.findall(r"<h(\d)", page_text)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    ids = re.findall(r'\sid="([^"]+)"', page_text)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', page_text))
    assert used <= set(ids)


def test_charts_have_axes_with_names_and_units(page):
    charts = re.findall(r'<svg class="chart".*?</svg>', page.read_text(), re.S)
    assert len(charts) == 4
    for chart, names in zip(
        charts,
        [
            ("epoch", "mean cross-entropy, nats"),
            ("epoch", "validation accuracy, %"),
            ("validation accuracy, % (bars: 95 % interval)", "label"),
            ("confidence: probability of the class predicted", "share read right"),
        ],
        strict=True,
    ):
        texts = re.findall(r"<text[^>]*>([^<]+)</text>", chart)
        assert set(names) <= set(texts)
        assert sum(bool(re.fullmatch(r"[\d.,]+", text)) for text in texts) >= 6, "numbered ticks"


@pytest.fixture(scope="module")
def two_runs(workspace, tmp_path_factory) -> Workspace:
    """Also a run "other" of another recipe and seed."""
    root = tmp_path_factory.mktemp("two") / "work"
    both = Workspace(shutil.copytree(workspace.root, root))
    write_trained(both, "other", MISREAD_BY_OTHER, seed=1)
    return both


def test_a_comparison_shows_its_verdict_first_and_the_digits_that_changed_sides(browser, two_runs):
    path = Report(a="tiny", b="other", device="cpu")(two_runs, Silent())
    assert path == two_runs.root / "runs" / "other" / "report-against-tiny.html"
    visit = Visit(browser, path)
    assert visit.complaints == []
    assert visit.page.locator("h2").all_inner_texts() == ["Did it help?", *SECTIONS]
    comparison = visit.page.locator("#comparison")
    text = comparison.inner_text()
    assert "Right with B only: 8 images\n" in text
    assert "Right with A only: 60 images, of which these 50 moved most\n" in text
    assert comparison.locator(".digit").count() == 8 + 50
    assert "Worse: B got 52 fewer of 200 images right." in text
    assert "augment 'affine' → 'none'" in text
    assert "only B right" in text


def test_an_ensemble_has_a_report_of_its_own(browser, two_runs):
    both = two_runs
    Ensemble(runs="tiny other", run="mean", device="cpu")(both, Silent())
    receipt = Receipt(
        run="mean",
        competition="digit-recognizer",
        csv_sha256="",
        message="",
        mark="",
        submitted_at="2026-01-02T03:04:05+00:00",
        folds=[],
        valid_correct=192,
        valid_total=200,
        status="complete",
        score=0.5,
    )
    write_record(both.receipt("mean"), receipt)
    visit = Visit(browser, Report(run="mean", device="cpu")(both, Silent()))
    assert visit.complaints == []
    assert visit.page.locator("h2").all_inner_texts() == SECTIONS
    assert "the mean of 2 runs, 4 networks" in visit.page.locator("header").inner_text()
    assert visit.page.locator("#augmentation img").count() == 2, "a picture of each recipe"
    verdict = visit.page.locator("#verdict").inner_text()
    assert "0.50000\nbelow what was to be expected\nsubmitted 2026-01-02" in verdict
    making = visit.page.locator("#making").inner_text()
    assert re.search(r"seed\s+0, 1\s", making)
    assert re.search(r"augment\s+affine, none\s", making)
    assert "folds trained at once took less" in making
    assert "num_workers" not in making, "what a command asked for is not what a run is"
    found = load_probs(both.run("other").oof)
    save_probs(both.run("other").oof, Probs(found.ids, found.probs, "changed"))
    with pytest.raises(UserError, match="run other has changed since mean was made of it"):
        Report(run="mean")(both, Silent())


def test_the_device_and_the_memory_of_a_training_are_told(workspace, page):
    facts = read_record(workspace.run("tiny").fold(0).facts, FoldFacts)
    assert facts.device.startswith("CPU")
    assert 50 * 2**20 < facts.host_peak_bytes < 2**37
    assert facts.memory in page.read_text()


def test_a_run_on_all_data_claims_nothing_about_its_accuracy(browser, workspace):
    spec = tiny.spec(workspace, "everything", epochs=1, folds="all-data")
    train_run(spec, workspace, Silent())
    visit = Visit(browser, Report(run="everything", device="cpu")(workspace, Silent()))
    assert visit.complaints == []
    told = [SECTIONS[0], SECTIONS[1], *SECTIONS[7:]]
    assert visit.page.locator("h2").all_inner_texts() == told
    text = visit.page.locator("body").inner_text()
    assert "no image was held out" in text
    assert "nan" not in text.lower()


def test_a_run_in_the_middle_of_its_folds_has_a_report_of_what_is_finished(workspace, tmp_path):
    shutil.copytree(workspace.root, tmp_path / "work")
    started = Workspace(tmp_path / "work")
    started.run("tiny").oof.unlink()
    started.run("tiny").fold(1).oof.unlink()
    text = Report(run="tiny", device="cpu")(started, Silent()).read_text()
    num_right = 100 - np.isin(load_probs(started.run("tiny").fold(0).oof).ids, [*MISREAD]).sum()
    assert f"{num_right} of 100 images" in text
    started.run("tiny").fold(0).oof.unlink()
    with pytest.raises(UserError, match="tiny has no finished fold yet"):
        Report(run="tiny")(started, Silent())


def test_what_is_missing_or_foreign_is_named(workspace, tmp_path):
    shutil.copytree(workspace.root, tmp_path / "work")
    broken = Workspace(tmp_path / "work")
    broken.run("tiny").report.unlink(missing_ok=True)
    with pytest.raises(UserError, match="there is no run nowhere"):
        Report(run="nowhere")(broken, Silent())
    with pytest.raises(UserError, match="name two sides"):
        Report(a="tiny")(broken, Silent())
    weights = broken.run("tiny").fold(1).weights
    network = load_network(weights)
    save_network(weights, Network({"conv9.bias": torch.zeros(3)}, network.facts))
    with pytest.raises(UserError, match="does not fit the network dropout_cnn as it is now"):
        Report(run="tiny")(broken, Silent())
    history = broken.run("tiny").fold(1).history
    history.write_text("epoch,train_loss\n1,abc\n")
    with pytest.raises(UserError, match=r"history\.csv is damaged"):
        Report(run="tiny")(broken, Silent())
    history.write_text(workspace.run("tiny").fold(1).history.read_text())
    oof = broken.run("tiny").fold(1).oof
    found = load_probs(oof)
    save_probs(oof, Probs(found.ids, np.full_like(found.probs, np.nan)))
    with pytest.raises(UserError, match="its training diverged"):
        Report(run="tiny")(broken, Silent())
    config = broken.run("tiny").config
    config.write_text(re.sub(r'digits_sha256 = "\w+"', 'digits_sha256 = "0"', config.read_text()))
    with pytest.raises(UserError, match="other data"):
        Report(run="tiny")(broken, Silent())
    assert not broken.run("tiny").report.exists()
