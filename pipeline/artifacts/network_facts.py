"""What a file of weights says of itself, read without the weights and without torch."""

import json
from pathlib import Path
from typing import Any

from pipeline.errors import UserError


def read_network_facts(path: Path) -> dict[str, Any]:
    """Return the facts in the header of a network's file; see `weights.Network`.

    Raises:
        UserError: The file is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            facts: dict[str, Any] = json.loads(file.metadata()["facts"])
            return facts
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise UserError(
            f"{path} is damaged ({error}); delete the fold and run `make train`."
        ) from None
