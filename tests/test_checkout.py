"""A clone has the same bytes on every machine, also where git is told to write CRLF."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
FILES = (
    *("Makefile", ".ci/help.awk", "requirements.lock", "pyproject.toml", ".gitattributes"),
    *("pipeline/augment/recipes.py", "pipeline/presets/quick.toml", "pipeline/report/report.png"),
    *("pipeline/report/templates/page.html", "submissions/champion-5be780.csv"),
)


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_a_checkout_with_windows_line_ends_changes_no_byte(tmp_path):
    def git(*arguments: str) -> None:
        identity = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        for role in ("AUTHOR", "COMMITTER"):
            identity |= {f"GIT_{role}_NAME": "a", f"GIT_{role}_EMAIL": "a@example.org"}
        windows = ("-c", "core.autocrlf=true", "-c", "core.eol=crlf", "-c", "core.safecrlf=false")
        command = ["git", *windows, *arguments]
        subprocess.run(command, cwd=tmp_path, env=os.environ | identity, check=True)

    origin, clone = tmp_path / "origin", tmp_path / "clone"
    for name in FILES:
        (origin / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, origin / name)
    # Whatever line ends a submission was uploaded with, its receipt has the hash of those bytes.
    (origin / "submissions" / "other.csv").write_bytes(b"ImageId,Label\r\n1,3\r\n")
    git("init", "--quiet", "origin")
    git("-C", "origin", "add", ".")
    git("-C", "origin", "commit", "--quiet", "--message", "all")
    git("clone", "--quiet", "origin", "clone")
    for name in (*FILES, "submissions/other.csv"):
        assert (clone / name).read_bytes() == (origin / name).read_bytes(), name
        assert name.endswith((".png", "other.csv")) or b"\r" not in (clone / name).read_bytes()
