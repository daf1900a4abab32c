"""The page in a real browser: the loop is played once, as a person would."""

import contextlib
import subprocess
import sys

import numpy as np
import pytest

from pipeline.commands.data import Data
from pipeline.commands.split import Split
from pipeline.console import Silent
from pipeline.play.draft import ADDABLE
from pipeline.runs.workspace import Workspace
from tests.play.served import serving
from tests.report.browser import open_browser
from tests.test_makefile import make_checkout

pytestmark = pytest.mark.slow

TRAINING = ("--competition=practice", "--device=cpu", "--set=num_workers=0")


def train(root, *options):
    command = [sys.executable, "-m", "pipeline", "train", *TRAINING, *options]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def browser():
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def served(browser, tmp_path_factory):
    """The page of a checkout with practice digits, and a run that reads them fairly well."""
    workspace = Workspace(tmp_path_factory.mktemp("played"))
    make_checkout(workspace.root)
    Data(competition="practice")(workspace, Silent())
    Split(competition="practice")(workspace, Silent())
    train(workspace.root, "--epochs=3", "--augment=affine", "--run=reader")
    with serving(workspace.root, "--competition", "practice") as page:
        yield page


@pytest.fixture
def visit(browser, served):
    """Opens views of the page; nothing may be complained of while the test lasts."""
    complaints, contexts = [], []

    def open_view(view="recipe", **context):
        settings = {"viewport": {"width": 1280, "height": 900}} | context
        contexts.append(browser.new_context(**settings))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda each: outside.append(each.url))
        page.goto(f"{served.address}#{view}")
        page.wait_for_selector("body[data-redraws]:not([data-busy])")
        return page

    outside: list[str] = []
    yield open_view
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in outside if not url.startswith((served.address, "data:"))] == []


def after_redraw(page, act):
    """Do something and wait until the page shows what came of it."""
    act()
    page.wait_for_selector("body:not([data-busy])")


def pixels(page, row, column):
    canvas = page.locator("#sheet tr").nth(row).locator("canvas").nth(column)
    return canvas.evaluate("canvas => canvas.toDataURL()")


def test_the_same_seed_draws_the_same_and_fresh_draws_are_others(visit):
    page = visit()
    assert page.locator("#sheet canvas").count() == 150
    first = pixels(page, 3, 5)
    after_redraw(page, lambda: page.click("#fresh"))
    assert page.input_value("#seed") == "1"
    assert pixels(page, 3, 5) != first
    after_redraw(page, lambda: page.fill("#seed", "0"))
    assert pixels(page, 3, 5) == first


@pytest.mark.parametrize("name", ADDABLE)
def test_each_control_of_each_transform_moves_the_digits(visit, name):
    page = visit()
    after_redraw(page, lambda: page.select_option("#recipe-name", "none"))
    page.select_option("#add", name)
    after_redraw(page, lambda: page.click("#add-button"))
    assert page.get_attribute("#sheet", "class") == "unread", "it is drawn as it is added"
    part = page.locator(".part", has_text=name)
    for details in part.locator("details").all():
        details.locator("summary").click()
    ids = part.locator("input[type=range]").evaluate_all("all => all.map((each) => each.id)")
    assert ids
    for each in ids:
        for key in ("End", "Home"):
            after_redraw(page, lambda: page.press(f'[id="{each}"]', key))  # noqa: B023
        after_redraw(page, lambda: page.press(f'[id="{each}"]', "ArrowRight"))  # noqa: B023
        box = f'[id="{each}-box"]'
        after_redraw(page, lambda: page.fill(box, page.input_value(box) + "0"))  # noqa: B023
    for each in part.locator(".controls select").evaluate_all("all => all.map((one) => one.id)"):
        for option in page.locator(f'[id="{each}"] option').all():
            value = option.get_attribute("value")
            after_redraw(page, lambda: page.select_option(f'[id="{each}"]', value))  # noqa: B023
    after_redraw(page, lambda: page.click(f'[aria-label="Remove: {name}"]'))
    assert page.locator("#parts .part").count() == 0
    assert page.is_hidden("#fault")


def test_what_is_wrong_stands_beside_its_control(visit):
    page = visit()
    page.fill("#part-0-p-box", "7")
    page.wait_for_selector("#part-0-p-fault:visible")
    assert page.inner_text("#part-0-p-fault") == "Input should be less than or equal to 1"
    assert "part-0-p-fault" in page.get_attribute("#part-0-p", "aria-describedby")
    assert page.get_attribute("#part-0-p", "max") == "1", "the slider stays within its range"
    after_redraw(page, lambda: page.fill("#part-0-p-box", "0.5"))
    assert page.is_hidden("#part-0-p-fault")
    page.fill("#argument-zoom-box", "much")
    assert page.inner_text("#argument-zoom-fault") == "zoom must be a number; 0.15 still holds"
    page.focus("#argument-alpha-box")
    assert page.is_hidden("#argument-zoom-fault")
    assert page.input_value("#argument-zoom-box") == "0.15"


def test_it_says_where_the_recipe_becomes_slow(visit):
    page = visit()
    page.click("#parts .part >> nth=0 >> summary")
    area = page.locator("#part-0-interpolation option").all()[-1].get_attribute("value")
    after_redraw(page, lambda: page.select_option("#part-0-interpolation", area))
    assert page.inner_text("#part-0-interpolation-slow").startswith("Affine(interpolation=4)")
    assert page.inner_text("#engine").startswith("Slow: this recipe runs through albumentations")


def test_each_draw_is_read_and_a_curve_shows_where_digits_are_lost(visit):
    page = visit()
    page.select_option("#reader", "reader")
    page.wait_for_selector("#share:has-text('of 140 draws right')")
    assert "not trained on its image" in page.inner_text("#share")
    assert page.locator("#sheet td.right, #sheet td.wrong").count() == 140
    page.click('[aria-label="Curve of rotate: the share of draws still read right"]')
    page.wait_for_selector(".curve svg")
    assert page.locator(".curve polyline").count() == 11, "ten classes and all"
    assert page.get_attribute(".curve svg", "aria-label").startswith("Read right with rotate at 0:")


def test_a_recipe_is_saved_asked_before_it_is_replaced_and_trained(visit, served):
    page = visit()
    after_redraw(page, lambda: page.press("#argument-rotate", "End"))
    drawn = pixels(page, 4, 7)
    page.fill("#save-name", "mine")
    page.click("#save")
    page.wait_for_selector("#saved:has-text('make train AUGMENT=mine')")
    page.wait_for_selector("#arguments", state="hidden")
    page.wait_for_selector("body:not([data-busy])")
    assert page.input_value("#recipe-name") == "mine"
    assert pixels(page, 4, 7) == drawn
    after_redraw(page, lambda: page.fill("#part-0-p-box", "0.5"))
    page.click("#save")
    page.wait_for_selector("#ask:visible")
    assert "has a recipe 'mine' already" in page.inner_text("#ask-text")
    page.click("#ask-no")
    assert page.is_hidden("#ask")
    said = train(served.root, "--epochs=1", "--augment=mine", "--run=saved")
    assert "recipe mine" in said
    assert "batched on the training device" in said


def test_a_digit_is_drawn_and_read_right(visit):
    page = visit("hand")
    page.select_option("#hand-reader", "reader")
    box = page.locator("#paper").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 0.15 * box["height"])
    page.mouse.down()
    for angle in np.linspace(0, 2 * np.pi, 24):
        x, y = 0.5 + 0.22 * np.sin(angle), 0.5 - 0.35 * np.cos(angle)
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
    page.mouse.up()
    page.wait_for_selector("#nearest li")
    assert page.inner_text("#hand-said").startswith("A 0, says reader: ")
    assert page.locator("#nearest li b").all_inner_texts().count("0") >= 6
    page.click("#clear")
    assert page.locator("#nearest li").count() == 0


def test_a_digit_is_drawn_by_the_keyboard(visit):
    page = visit("hand")
    page.select_option("#hand-reader", "reader")
    page.focus("#paper")
    page.keyboard.press("Space")
    for _ in range(12):
        page.keyboard.press("ArrowDown")
    page.wait_for_selector("#nearest li")
    assert page.inner_text("#hand-said").startswith("A 1, says reader: ")


def test_a_try_goes_on_without_the_page_is_found_again_and_stopped(visit):
    page = visit("loop")
    page.select_option("#try-recipe", "elastic")
    page.select_option("#try-preset", "practice")
    page.click("#start")
    page.wait_for_selector(".try.running")
    page.close()
    again = visit("loop")
    again.wait_for_selector(".try.running:has-text('AUGMENT=elastic')")
    again.wait_for_selector(".try .trainings li:has-text('epoch 1 of')", timeout=120_000)
    again.click(".try button")
    again.wait_for_selector(".try:not(.running):has-text('has ended')", timeout=120_000)
    assert "error: interrupted" in again.inner_text(".try pre")


def test_runs_are_sorted_and_a_report_is_one_click_away(visit, browser):
    page = visit("loop")
    page.wait_for_selector("#runs tbody tr")
    page.click("#runs thead button:has-text('accuracy')")
    assert page.locator("#runs thead th[aria-sort=descending]").inner_text().startswith("accuracy")
    page.click('[aria-label="Make the report of reader"]')
    link = page.wait_for_selector("#runs a[href='/reports/reader']", timeout=120_000)
    with page.context.expect_page() as opened:
        link.click()
    opened.value.wait_for_selector("h1:has-text('reader')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(visit, scheme):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "color_scheme": scheme}
    for view in ("recipe", "hand", "loop"):
        page = visit(view, **phone)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, f"{view} is wider than the phone"


def test_every_picture_and_control_has_words(visit):
    page = visit()
    page.select_option("#reader", "reader")
    page.wait_for_selector("#share:has-text('of 140 draws right')")
    for view in ("recipe", "hand", "loop"):
        page.goto(page.url.split("#")[0] + f"#{view}")
        nameless = page.evaluate(
            "Array.from(document.querySelectorAll('canvas, svg, input, select, button'))"
            ".filter((each) => each.checkVisibility() && !each.getAttribute('aria-label')"
            " && !each.labels?.length && !each.textContent.trim()).map((each) => each.outerHTML)"
        )
        assert nameless == []


def test_in_colour_there_is_no_drawing_by_hand(browser, tmp_path):
    make_checkout(tmp_path)
    Data(competition="practice-colour")(Workspace(tmp_path), Silent())
    Split(competition="practice-colour")(Workspace(tmp_path), Silent())
    with (
        serving(tmp_path, "--competition", "practice-colour") as served,
        contextlib.closing(browser.new_context()) as context,
    ):
        page = context.new_page()
        page.goto(f"{served.address}#hand")
        page.wait_for_selector("body[data-redraws]:not([data-busy])")
        assert page.locator("nav a").all_inner_texts() == ["Recipe", "The loop"]
        assert page.is_visible("#recipe") and page.is_hidden("#hand")
        assert page.locator("#sheet tbody tr").count() == 8  # its classes
