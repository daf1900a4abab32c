"""The README says what is true: its generated parts are those of today."""

import os
import re
import subprocess
from pathlib import Path

from pipeline.augment.support_table import markdown

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()


def test_the_help_shown_is_the_help_printed():
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    printed = subprocess.run(
        ["make", "help"], cwd=REPOSITORY, env=environment, capture_output=True, text=True
    ).stdout
    assert printed in README, "put the output of `make help` into README.md"


def test_the_table_of_what_compiles_is_the_compilers():
    remake = "put the output of `python -m pipeline.augment.support_table` into README.md"
    assert markdown() in README, remake


def test_every_file_and_folder_linked_exists():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (REPOSITORY / link).exists()] == []


def test_every_make_target_named_exists():
    makefile = (REPOSITORY / "Makefile").read_text()
    named = set(re.findall(r"(?:`|^|  )make ([a-z]+)", README, re.M))
    assert {"demo", "test", "data", "train", "submit"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.M), target
