"""The page's doors, as its scripts knock at them: one server for all of the tests here."""

import base64
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from pipeline.augment.batched import compile_recipe, image_keys
from pipeline.augment.registry import build_recipe
from pipeline.data.competition import get_competition
from pipeline.data.digits_cache import load_digits
from tests import tiny
from tests.play.served import serving, start
from tests.test_makefile import REPOSITORY, make_checkout


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    workspace = tiny.prepare(tmp_path_factory.mktemp("played"))
    make_checkout(workspace.root)
    with serving(workspace.root) as page:
        yield page


@pytest.fixture
def recipes_file(served):
    """The file that is saved into; as it was when the test is done."""
    path = served.root / "pipeline" / "augment" / "recipes.py"
    before = path.read_bytes()
    yield path
    path.write_bytes(before)


def test_the_page_and_its_parts_ask_nothing_of_the_network(served):
    page = served.get("").decode()
    parts = re.findall(r'(?:src|href)="/(static/[^"]+)"', page)
    assert len(parts) >= 4
    for content in (page, *(served.get(part).decode() for part in parts)):
        addresses = set(re.findall(r"https?://[^\s\"'`)]+", content))
        assert addresses <= {"http://www.w3.org/2000/svg"}, "a name of the language, not an address"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "play.example.org"},
        {"Host": "127.0.0.1:1"},
        {"Origin": "https://example.org"},
        {"Origin": "null"},
        {"X-Play-Token": "guessed"},
        {"X-Play-Token": ""},
    ],
)
def test_another_page_cannot_make_it_act(served, headers):
    assert served.post("start")[0] == 200
    assert served.post("start", **headers)[0] == 403


def test_a_name_that_is_made_to_point_here_does_not_read_the_page(served):
    status, _, content = served.request("GET", "", Host="play.example.org")
    assert status == 403
    assert served.token.encode() not in content


@pytest.mark.parametrize(
    "path",
    [
        "reports/..%2f..%2fMakefile",
        "reports/.play",
        "reports/nothing",
        "static/..%2fdoors.py",
        "static/../doors.py",
        "static/%2e%2e/%2e%2e/commands/play.py",
        "Makefile",
    ],
)
def test_no_path_leads_out(served, path):
    assert served.request("GET", path)[0] == 404


def test_a_report_is_served_as_a_stranger(served):
    report = served.root / "runs" / "a" / "report.html"
    report.parent.mkdir(parents=True)
    report.write_text("<p>this is it</p>")
    status, headers, content = served.request("GET", "reports/a")
    assert (status, content) == (200, b"<p>this is it</p>")
    assert headers["Content-Security-Policy"].startswith("sandbox allow-scripts;")


def test_the_draws_are_those_of_a_training(served):
    told, pixels = served.sheet({"recipe": "strong"}, seed=7)
    assert (told["errors"], told["slow"], told["labels"]) == ({}, [], list(range(10)))
    images = load_digits_of(served).train_images[told["rows"]]
    np.testing.assert_array_equal(pixels[:10], images)
    recipe = compile_recipe(build_recipe("strong"))
    for number in (0, 13):
        keys = image_keys(7, number, torch.arange(10))
        drawn = recipe(torch.from_numpy(images), keys).numpy()
        np.testing.assert_array_equal(pixels[10 + number :: 14][:10], drawn)
    _, same = served.sheet({"recipe": "strong"}, seed=7)
    _, fresh = served.sheet({"recipe": "strong"}, seed=8)
    np.testing.assert_array_equal(same, pixels)
    assert (fresh[10:] != pixels[10:]).any()


def load_digits_of(served):
    from pipeline.runs.workspace import Workspace

    return load_digits(Workspace(served.root).input(get_competition("digit-recognizer")))


def control(part, name):
    return next(each for each in part["controls"] if each["name"] == name)


def test_an_argument_of_the_recipe_moves_those_of_its_transforms(served):
    told, _ = served.sheet({"recipe": "strong", "arguments": {"rotate": 25, "alpha": 11}})
    rotate = next(each for each in told["controls"] if each["name"] == "rotate")
    (slider,) = rotate["ends"]
    assert (slider["value"], slider["least"], slider["most"]) == (25, 0, 30), "as sweep_over says"
    affine, elastic = told["parts"]
    assert [end["value"] for end in control(affine, "rotate")["ends"]] == [-25, 25]
    assert control(elastic, "alpha")["ends"][0]["value"] == 11


def test_transforms_are_switched_off_added_moved_and_changed(served):
    plain, still = served.sheet({"recipe": "none"})
    assert plain["parts"] == []
    np.testing.assert_array_equal(still[10:].reshape(10, 14, -1)[:, 3], still[:10].reshape(10, -1))
    off = [{"of": "0", "off": True}, {"of": "1", "off": True}]
    _, pixels = served.sheet({"recipe": "strong", "parts": off})
    np.testing.assert_array_equal(pixels, still)
    inverted = [*off, {"name": "InvertImg", "change": {"p": 1}}]
    told, pixels = served.sheet({"recipe": "strong", "parts": inverted})
    assert [each["name"] for each in told["parts"]] == ["Affine", "ElasticTransform", "InvertImg"]
    np.testing.assert_array_equal(pixels[10:], 255 - still[10:])
    noise = {"name": "GaussNoise", "change": {"p": 1}}
    bright = {"name": "InvertImg", "change": {"p": 1}}
    orders = [
        served.sheet({"recipe": "none", "parts": p})[1] for p in ([noise, bright], [bright, noise])
    ]
    assert (orders[0] != orders[1]).any()


def test_what_is_wrong_is_said_beside_its_control_and_nothing_is_drawn(served):
    parts = [
        {"of": "0", "change": {"p": 2, "rotate": ["a", 3]}},
        {"name": "ElasticTransform", "change": {"sigma": 0}},
    ]
    told, pixels = served.sheet({"recipe": "strong", "parts": parts, "arguments": {"shift": "x"}})
    assert len(pixels) == 0
    assert "unsupported" in told["errors"]["shift"] or "bad operand" in told["errors"]["shift"]
    first, second = (part["errors"] for part in told["parts"])
    assert first["p"] == "Input should be less than or equal to 1"
    assert "valid number" in first["rotate"]
    assert second == {"sigma": "Input should be greater than or equal to 1"}


def test_it_says_where_a_change_makes_the_recipe_slow(served):
    parts = [{"of": "0", "change": {"interpolation": 4}}]
    told, pixels = served.sheet({"recipe": "affine", "parts": parts})
    (why,) = told["parts"][0]["slow"]
    assert why == "Affine(interpolation=4): must be nearest, linear, area or cubic"
    assert told["slow"] == [why]
    assert len(pixels) == 150, "albumentations draws it all the same"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"recipe": "nope"}, "AUGMENT='nope' is not known"),
        ({"recipe": "affine", "arguments": {"turn": 3}}, "has no argument 'turn'"),
        ({"recipe": "affine", "parts": [{"of": "7"}]}, "has other transforms now"),
        ({"recipe": "affine", "parts": [{"of": "0.transforms"}]}, "has other transforms now"),
        ({"recipe": "affine", "parts": [{"name": "Lambda"}]}, "'Lambda' is no transform"),
        ({"recipe": "affine", "parts": [{"of": "0", "change": {"x": 1}}]}, "no argument 'x'"),
        ({"recipe": "affine", "code": "1"}, "draft.code: Extra inputs"),
    ],
)
def test_what_the_page_does_not_offer_is_refused(served, asked, said):
    assert said in served.ask("recipe", {"draft": asked, "seed": 0})["error"]


DRAFT = {
    "recipe": "strong",
    "arguments": {"rotate": 20},
    "parts": [
        {
            "name": "CoarseDropout",
            "change": {"hole_height_range": [3, 7], "hole_width_range": [3, 7]},
        },
        {"of": "0", "change": {"shear": {"x": [-4, 4], "y": [0, 0]}}},
        {"of": "1", "off": True},
    ],
}

SAVED = '''
def mine() -> A.Compose:
    """Played from strong on the page of `make play`."""
    return A.Compose(
        [
            A.CoarseDropout(hole_height_range=(3, 7), hole_width_range=(3, 7)),
            A.Affine(
                scale=(0.85, 1.15),
                translate_percent=(-0.12, 0.12),
                rotate=(-20, 20),
                shear={"x": (-4, 4), "y": (0, 0)},
                p=1,
            ),
        ]
    )
'''


def test_what_is_saved_is_what_was_shown(served, recipes_file):
    before, files = recipes_file.read_text(), set(recipes_file.parent.glob("*.*"))
    _, shown = served.sheet(DRAFT, seed=3)
    assert served.ask("python", {"draft": DRAFT})["text"] == SAVED.lstrip()
    assert served.ask("save", {"draft": DRAFT, "name": "mine"}) == {"text": SAVED.lstrip()}
    assert recipes_file.read_text() == f"{before}\n{SAVED}"
    assert set(recipes_file.parent.glob("*.*")) == files, "nothing is left beside it"
    formatted = [sys.executable, "-m", "ruff", "format", "--check", str(recipes_file)]
    assert subprocess.run(formatted, cwd=REPOSITORY, capture_output=True).returncode == 0
    told, again = served.sheet({"recipe": "mine"}, seed=3)
    assert told["controls"] == []
    np.testing.assert_array_equal(again, shown)


def test_nothing_is_saved_over_another_without_asking(served, recipes_file):
    user = (
        "\n\ndef more() -> A.Compose:\n    return A.Compose([*erase().transforms, A.InvertImg()])\n"
    )
    before = recipes_file.read_text() + user
    recipes_file.write_text(before)
    refused = served.ask("save", {"draft": DRAFT, "name": "erase"})
    assert refused == {
        "taken": True,
        "error": "recipes.py has a recipe 'erase' already. It is part of more, which would change "
        "too.",
    }
    assert recipes_file.read_text() == before
    served.ask("save", {"draft": DRAFT, "name": "erase", "replace": True})
    after = recipes_file.read_text()
    start = before.index("@sweep_over(most_holes")
    rest = before.index("\n\n@sweep_over", start)
    assert after == before[:start] + SAVED.lstrip().replace("mine", "erase") + before[rest:]


def test_nothing_is_saved_over_what_another_could_not_do_without(served, recipes_file):
    before = recipes_file.read_bytes()
    refused = served.ask("save", {"draft": DRAFT, "name": "affine", "replace": True})
    assert refused["error"].startswith("without the 'affine' that is there, recipe 'strong' (")
    assert recipes_file.read_bytes() == before


@pytest.mark.parametrize("name", ["", "Mine", "a b", "import", "A", "sweep_over", "__x", "x" * 41])
def test_a_name_that_is_none_is_refused(served, recipes_file, name):
    before = recipes_file.read_bytes()
    assert "name" in served.ask("save", {"draft": DRAFT, "name": name})["error"]
    assert recipes_file.read_bytes() == before


def test_an_edit_of_the_file_is_noticed(served, recipes_file):
    recipes_file.write_text(
        recipes_file.read_text().replace("rotate: float = 15", "rotate: float = 17")
    )
    told, _ = served.sheet({"recipe": "strong"})
    assert told["controls"][0]["ends"][0]["value"] == 17
    recipes_file.write_text(recipes_file.read_text() + "\nthis is no Python\n")
    assert (
        "recipes.py, line"
        in served.ask("recipe", {"draft": {"recipe": "strong"}, "seed": 0})["error"]
    )


def test_an_empty_drawing_and_one_that_is_none_are_refused(served):
    blank = cv2.imencode(".png", np.zeros((280, 280), np.uint8))[1].tobytes()
    for png, said in [
        (base64.b64encode(blank).decode(), "nothing is drawn"),
        ("AAAA", "cannot be read"),
        ("%", "cannot be read"),
    ]:
        assert said in served.ask("hand", {"run": "a", "png": png})["error"]


def test_runs_and_tries_are_listed_where_there_are_none(served):
    assert served.ask("tries") == {"tries": []}
    assert served.ask("stop", {"number": 1})["error"] == "this try is not running any more."
    assert "save it first" in served.ask("try", {"recipe": "nope"})["error"]


def test_a_second_one_says_that_the_first_is_running(served):
    second = start(served.root, "--port", "0")
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 1
    assert said == (
        f"error: the page is served already, at {served.address}; open that, or end it by Ctrl-C "
        "where it was started.\n"
    )


def test_ctrl_c_ends_it_in_one_sentence(tiny_workspace):
    make_checkout(tiny_workspace.root)
    with serving(tiny_workspace.root) as page:
        code, said = page.end()
    assert code == 130
    assert said == "error: interrupted; the same command goes on from what is finished.\n"


def test_a_port_that_is_taken_is_said(served, tiny_workspace):
    make_checkout(tiny_workspace.root)
    port = served.address.split(":")[2].strip("/")
    process = start(tiny_workspace.root, "--port", port)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.startswith(f"error: PORT={port} is taken by another program; give another")
