"""Network weights: safetensors for what is kept, torch's own format for what is resumed.

Neither executes anything that a file contains. torch is imported by what needs it alone: the audit
reads what a file says of itself without.
"""

import contextlib
import io
import json
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.data.files import replacing
from pipeline.errors import UserError
from pipeline.runs.workspace import damaged, to_remake

if TYPE_CHECKING:
    from torch import Tensor


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a training's state: tensors and plain values."""
    import torch

    # By way of memory: torch's own file writer tells a full disk as a RuntimeError.
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a training's state, tensors on the CPU.

    A missing file raises a FileNotFoundError, any but tensors and plain values a UserError.
    """
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except pickle.UnpicklingError:
        what = "holds something else than tensors and plain values and was not opened"
    except Exception as error:  # torch raises many kinds on a damaged file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        what = f"is damaged ({reason})"
    else:
        if isinstance(state, dict):
            return state
        what = "is not a checkpoint"
    raise UserError(f"{path} {what}; delete it and run {to_remake(path)} again.")


@dataclass(frozen=True)
class Network:
    """Final weights with all that is needed to rebuild the network around them."""

    weights: "dict[str, Tensor]"  # by name
    facts: dict[str, Any]  # model, image shape, classes, preprocessing, settings' fingerprint


def save_network(path: Path, network: Network) -> None:
    """Write final weights as safetensors, the facts as JSON in its header."""
    from safetensors.torch import save

    weights = {name: tensor.cpu().contiguous() for name, tensor in network.weights.items()}
    content = save(weights, metadata={"facts": json.dumps(network.facts)})
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def load_network(path: Path) -> Network:
    """Read final weights, on the CPU; a file that is missing or damaged raises a UserError."""
    with _opened(path, "pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return Network(weights, json.loads(file.metadata()["facts"]))


def read_network_facts(path: Path) -> dict[str, Any]:
    """Return the facts alone, without torch; errors are those of `load_network`."""
    with _opened(path, "numpy") as file:
        facts: dict[str, Any] = json.loads(file.metadata()["facts"])
        return facts


@contextlib.contextmanager
def _opened(path: Path, framework: str) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework=framework) as file:
            yield file
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise damaged(path, error) from None
