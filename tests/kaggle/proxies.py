"""Proxies on the loopback interface that get into the way of the real `kaggle` command."""

import contextlib
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CERTIFICATE = Path(__file__).with_name("company_proxy.pem")


class _Proxy(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class _Demanding(_Proxy):
    """Wants to know who asks."""

    def _refuse(self) -> None:
        self.send_response(407)
        self.send_header("Proxy-Authenticate", 'Basic realm="company"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_CONNECT = do_GET = do_POST = _refuse  # noqa: N815


class _Inspecting(_Proxy):
    """Opens every encrypted connection with a certificate of its own, as companies do."""

    def do_CONNECT(self) -> None:
        self.send_response(200)
        self.end_headers()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        with contextlib.suppress(OSError):  # the client hangs up at such a certificate
            context.wrap_socket(self.connection, server_side=True).close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


@contextlib.contextmanager
def _running(handler: type[_Proxy]) -> Iterator[str]:
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def demanding_proxy() -> contextlib.AbstractContextManager[str]:
    """Serve a proxy that answers 407; its address is given."""
    return _running(_Demanding)


def inspecting_proxy() -> contextlib.AbstractContextManager[str]:
    """Serve a proxy that puts its own certificate in the place of Kaggle's."""
    return _running(_Inspecting)
