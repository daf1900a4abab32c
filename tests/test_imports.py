"""Imports point downwards only, and importing a room does no work."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.commands import COMMANDS

PACKAGE = Path(__file__).parents[1] / "pipeline"

# The floors of the house, lowest first: a room imports from those below it and from itself.
FLOORS = [
    ["errors", "console", "__init__"],
    ["data"],
    ["settings", "augment", "networks"],
    ["runs"],
    ["training", "judging", "kaggle"],
    ["report", "bench"],
    ["play"],
    ["commands"],
    ["__main__"],
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(module: str) -> str:
    """`pipeline.runs.workspace` → `runs`."""
    return module.split(".")[1] if "." in module else "__init__"


def imported(path: Path) -> set[str]:
    """All modules of the package that a file imports, at whatever depth of the code."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written out in full"
            found.add(node.module)
    return {name for name in found if name == "pipeline" or name.startswith("pipeline.")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_from_below(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert own in FLOOR, f"{own} has no floor yet: add it to FLOORS"
    for module in imported(path):
        below = FLOOR[room(module)] < FLOOR[own] or room(module) == own
        assert below, f"{path.name} imports {module}, which is not below it"


def test_every_command_is_the_file_of_its_name():
    files = {path.stem for path in (PACKAGE / "commands").glob("*.py")}
    assert {name.removesuffix("_") for name in files - {"__init__", "knobs"}} == set(COMMANDS)


def test_the_run_name_is_found_without_heavy_libraries():
    code = (
        "import sys, pipeline.__main__, pipeline.commands.plan, pipeline.augment.registry;"
        "print(*(set(sys.modules) & {'torch', 'albumentations', 'cv2', 'pandas', 'sklearn'}))"
    )
    heavy = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert heavy.stdout.split() == [], "make asks for the name at every call"


@pytest.mark.parametrize(
    ("own", "read"),
    [
        ({}, "passive 10000"),
        ({"GOMP_SPINCOUNT": "7"}, "passive 7"),
        ({"OMP_WAIT_POLICY": "active"}, "active None"),
    ],
)
def test_how_threads_wait_is_the_users_to_say(own, read):
    code = "import os, pipeline; print(*map(os.environ.get, ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT')))"
    others = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    printed = subprocess.check_output([sys.executable, "-c", code], text=True, env=others | own)
    assert printed.strip() == read
