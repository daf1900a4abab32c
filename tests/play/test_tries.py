"""A try that was started from the page outlives the page's server."""

import time

import pytest

from tests.play.served import serving
from tests.test_makefile import make_checkout


def newest(page):
    return page.ask("tries")["tries"][0]


def wait_for(what):
    while not what():
        time.sleep(0.2)


@pytest.mark.slow
def test_it_goes_on_when_the_server_ends_and_is_found_by_the_next(tiny_workspace):
    root = tiny_workspace.root
    make_checkout(root)
    # Forty epochs of the largest network: it has not ended when the next server looks.
    with serving(root) as page:
        assert page.ask("try", {"recipe": "none", "preset": "pictures"}) == {"number": 1}
        refused = page.ask("try", {"recipe": "affine", "preset": "pictures"})["error"]
        assert refused == "a try is running already; stop it first, or let it end."
        assert page.end()[0] == 130
    with serving(root) as page:
        wait_for(lambda: any("trying augment" in line for line in newest(page)["lines"]))
        found = newest(page)
        assert found["running"]
        assert found["typed"] == "make try PRESET=pictures AUGMENT=none"
        assert page.ask("stop", {"number": 1}) == {}
        wait_for(lambda: not newest(page)["running"])
        assert newest(page)["lines"][-1].startswith("error: interrupted")
        assert page.ask("try", {"recipe": "strong", "preset": "quick"}) == {"number": 2}
        wait_for(lambda: not newest(page)["running"])
        assert newest(page)["lines"][-1].startswith("error: there is nothing to try")


def test_a_port_that_is_none_is_refused(tiny_workspace):
    from pipeline.commands.play import Play
    from pipeline.console import Silent
    from pipeline.errors import UserError

    for port in ("", "x", "65536", "-1", "1.5"):
        with pytest.raises(UserError, match="must be a whole number, 0 to 65535"):
            Play(port=port)(tiny_workspace, Silent())


@pytest.mark.slow
def test_without_data_it_plays_with_practice_digits(tmp_path):
    make_checkout(tmp_path)
    with serving(tmp_path) as page:
        assert "practice" in page.get("").decode()
        told, pixels = page.sheet({"recipe": "elastic"})
        assert told["labels"] == list(range(10))
        assert len(pixels) == 150
