"""What stands between here and Kaggle is named: certificate, proxy, name; with the real command."""

import re
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.kaggle.client import KaggleFault, download, list_submissions
from pipeline.runs.workspace import Workspace
from tests.kaggle.conftest import DIGITS, submit_cnn
from tests.kaggle.proxies import CERTIFICATE, demanding_proxy, inspecting_proxy
from tests.kaggle.server import TOKEN, KaggleServer
from tests.lines import Lines


def use_proxy(monkeypatch: pytest.MonkeyPatch, address: str, *, encrypted: bool = True) -> None:
    """Let the command ask this proxy: for Kaggle itself, or for the one of the tests."""
    if encrypted:
        monkeypatch.delenv("KAGGLE_API_ENVIRONMENT")
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, address)


def said_of_the_list() -> str:
    with pytest.raises(KaggleFault) as error:
        list_submissions(DIGITS)
    return str(error.value)


def test_a_certificate_that_a_proxy_replaced(
    kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = (
        "the certificate that came as Kaggle's is not trusted (self-signed certificate), probably "
        "because a proxy puts its own in the place of it; save your company's root certificate as "
        "a PEM file and set REQUESTS_CA_BUNDLE to its path, then run the same command again."
    )
    with inspecting_proxy() as address:
        use_proxy(monkeypatch, address)
        assert said_of_the_list() == expected
        monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)  # checked first, and fails with a traceback
        assert said_of_the_list() == expected
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such.pem")
        assert "REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE says (" in said_of_the_list()
        # The advice helps: the proxy is trusted then, and hangs up only after that.
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
        assert "certificate" not in said_of_the_list()


@pytest.mark.parametrize("encrypted", [True, False])
def test_a_proxy_that_wants_a_password(
    kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch, encrypted: bool
) -> None:
    with demanding_proxy() as address:
        use_proxy(monkeypatch, address.replace("//", "//me:wrong-password@"), encrypted=encrypted)
        assert said_of_the_list() == (
            f"the proxy {address} wants a user name and password, or others than it got (407); set "
            "HTTPS_PROXY=http://user:password@host:port, then run the same command again."
        )


def test_nothing_was_submitted_through_a_proxy_that_wants_a_password(
    kaggle_server: KaggleServer, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with demanding_proxy() as address:
        use_proxy(monkeypatch, address)
        with pytest.raises(UserError, match=r"\(407\).* Nothing was submitted\."):
            submit_cnn(workspace)
    assert not workspace.receipt("cnn").exists()


@pytest.mark.parametrize("encrypted", [True, False])
def test_the_name_of_a_proxy_that_is_not_known(
    kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch, encrypted: bool
) -> None:
    use_proxy(monkeypatch, "http://proxy.invalid:3128", encrypted=encrypted)
    # Why it is not found the system says: "Name or service not known", or in other words.
    assert re.fullmatch(
        r"there is no host proxy\.invalid to be found \([a-z ,]+\); check the network and the "
        r"proxy http://proxy\.invalid:3128 and run the same command again\.",
        said_of_the_list(),
    )


def test_the_name_of_a_host_that_is_not_known(kaggle_server: KaggleServer, tmp_path: Path) -> None:
    kaggle_server.storage = "https://storage.invalid"  # for which there is no proxy
    with pytest.raises(UserError, match=r"no host storage\.invalid to be found \(.*check the netw"):
        download(DIGITS, tmp_path, Lines())


@pytest.mark.parametrize("address", ["socks5://127.0.0.1:9", "http://"])
def test_a_proxy_that_cannot_be_used(
    kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    use_proxy(monkeypatch, address)
    assert said_of_the_list().startswith(f"the proxy {address} cannot be used (")
