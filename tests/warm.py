"""A `python -m pipeline` that has its libraries loaded: a hundred commands in the time of a few.

A process that has imported everything waits at a socket and forks for every command, which gets the
outputs, the environment and the folder of whoever typed it.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_SERVER = """
import importlib, json, os, signal, socket, sys
import matplotlib.pyplot, sklearn.manifold, sklearn.model_selection, torch
from pipeline.__main__ import COMMANDS, _module_of, main
for name in COMMANDS:
    importlib.import_module(f"pipeline.commands.{_module_of(name)}")
torch.set_num_threads(1)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
with socket.socket(socket.AF_UNIX) as listening:
    listening.bind(sys.argv[1])
    listening.listen(64)
    print("ready", flush=True)
    while True:
        connection, _ = listening.accept()
        if not os.fork():
            break
        connection.close()
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
told, outputs, _, _ = socket.recv_fds(connection, 1 << 16, 2)
while more := connection.recv(1 << 16):
    told += more
sys.argv, folder, environment = json.loads(told)
for number, output in enumerate(outputs, 1):
    os.dup2(output, number)
sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", 1, closefd=False)
os.chdir(folder)
os.environ.clear()
os.environ.update(environment)
code = 1
if sys.argv[1] == "plan":  # which must find it not loaded, to read the texts kept in its place
    sys.modules.pop("albumentations", None)
try:
    code = main()
except SystemExit as error:
    code = error.code or 0
except BaseException:
    sys.excepthook(*sys.exc_info())
sys.stdout.flush()
sys.stderr.flush()
connection.sendall(bytes([code]))
os._exit(code)
"""

_CLIENT = """#!{python} -IS
import json, os, socket, sys
assert sys.argv[1:3] == ["-m", "pipeline"], sys.argv
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({socket!r})
    told = json.dumps([sys.argv[2:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(connection, [told[:1 << 15]], [1, 2])
    connection.sendall(told[1 << 15:])
    connection.shutdown(socket.SHUT_WR)
    sys.exit((connection.recv(1) or b"\\1")[0])
"""


@contextlib.contextmanager
def warm_python(root: Path, socket: Path) -> Iterator[None]:
    """Let `.venv/bin/python` of a checkout be such a one.

    Args:
        root: The checkout, whose code is run.
        socket: Where to put it; a short path.
    """
    python = root / ".venv" / "bin" / "python"
    python.write_text(_CLIENT.format(python=sys.executable, socket=str(socket)))
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(socket)], cwd=root, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield
    finally:
        server.terminate()
        server.communicate()
