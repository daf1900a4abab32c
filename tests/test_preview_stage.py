"""`make preview` through its stage."""

import pytest
from matplotlib.image import imread

from pipeline.commands.preview import Preview
from pipeline.errors import UserError
from tests import tiny


@pytest.mark.parametrize("recipe", ["none", "affine", "erase"])
def test_the_picture_is_written_and_named(tiny_workspace, recipe):
    reporter = tiny.Lines()
    (path,) = Preview(augment=recipe)(tiny_workspace, reporter)
    assert path == tiny_workspace.root / "runs" / f"preview-{recipe}.png"
    assert str(path) in reporter.text
    height, width, _ = imread(path).shape
    assert width > 900
    assert height > 600
    assert imread(path).std() > 0.05, "there is something on it"


def test_without_data_it_says_where_they_come_from(tiny_workspace):
    tiny_workspace.input(tiny.COMPETITION).manifest.unlink()
    with pytest.raises(UserError, match="make data"):
        Preview()(tiny_workspace, tiny.Lines())
    assert not list((tiny_workspace.root / "runs").glob("preview*"))
