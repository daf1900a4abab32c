"""The pages say what is true: their generated parts are those of today, what they name exists."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.augment.support_table import markdown

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()
PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "AGENTS.md",
    *sorted((REPOSITORY / "pipeline").glob("*/README.md")),
]
every_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY))
)


def test_the_help_shown_is_the_help_printed():
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    printed = subprocess.run(
        ["make", "help"], cwd=REPOSITORY, env=environment, capture_output=True, text=True
    ).stdout
    shown = (REPOSITORY / "pipeline/commands/README.md").read_text()
    assert printed in shown, "put the output of `make help` into pipeline/commands/README.md"


def test_the_table_of_what_compiles_is_the_compilers():
    remake = "put the output of `python -m tests.augment.support_table` there"
    assert markdown() in (REPOSITORY / "pipeline/augment/README.md").read_text(), remake


@every_page
def test_every_file_and_folder_linked_exists(page):
    links = re.findall(r"\]\((?!http)([^)#]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@every_page
def test_every_make_target_named_exists(page):
    makefile = (REPOSITORY / "Makefile").read_text()
    named = re.findall(r"(?:`|^|  |\$ )make ([a-z]+)", page.read_text(), re.M)
    assert [name for name in named if not re.search(rf"^{name}:", makefile, re.M)] == []


def test_the_readme_has_the_two_commands_and_a_map_of_every_room():
    assert {"demo", "test", "data", "train", "submit"} <= set(re.findall("make ([a-z]+)", README))
    rooms = {path.parent.name for path in (REPOSITORY / "pipeline").glob("*/__init__.py")}
    where = README[README.index("## Where things are") :]
    assert [room for room in rooms if f"`{room}/`" not in where] == []


def test_every_file_named_in_a_page_exists():
    for page in PAGES:
        files = re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.(?:py|toml))`", page.read_text())
        roots = (REPOSITORY, REPOSITORY / "pipeline", page.parent)
        missing = [file for file in files if not any((root / file).exists() for root in roots)]
        assert missing == [], page
