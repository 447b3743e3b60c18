"""The size of a model, from its files where they are on this machine; nothing is downloaded."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_LONGEST_HEADER = 100 << 20  # bytes; that of a 70-billion model has 0.1 MB

# Decoders that differ in numbers alone: gated MLP, grouped heads, two norms in each layer.
_DECODERS = ("llama", "mistral", "qwen2")


def parameters(model: str, revision: str) -> int | None:
    """How many parameters a model has; None where neither weights nor config.json are here.

    `model` is a folder, or a model on the Hub, which is looked for in the Hub's cache.
    """
    config = _file(model, revision, "config.json")
    if config is None:
        return None
    weights = sorted(config.parent.glob("*.safetensors"))
    try:
        index = config.with_name("model.safetensors.index.json")
        if index.is_file():
            names = set(json.loads(index.read_bytes())["weight_map"].values())
            weights = weights if names <= {file.name for file in weights} else []
        if weights:
            return sum(map(_in_header, weights))
        return _of_decoder(json.loads(config.read_bytes()))
    # Whatever a broken or strange file holds: its size is not known.
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _file(model: str, revision: str, name: str) -> Path | None:
    if Path(model).is_dir():
        file = Path(model, name)
        return file if file.is_file() else None
    # Put off: 0.2 s, and most models of a small profile are folders.
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415
    from huggingface_hub.errors import HFValidationError  # noqa: PLC0415

    try:
        cached = try_to_load_from_cache(model, name, revision=revision or None)
    except HFValidationError:  # no name that the Hub could have, such as a folder yet to come
        return None
    return Path(cached) if isinstance(cached, str) else None


def _in_header(file: Path) -> int:
    with file.open("rb") as weights:
        length = int.from_bytes(weights.read(8), "little")
        if length > _LONGEST_HEADER:
            raise ValueError(f"{file}: no safetensors file")
        header = json.loads(weights.read(length))
    return sum(math.prod(one["shape"]) for name, one in header.items() if name != "__metadata__")


def _of_decoder(config: Mapping[str, Any]) -> int | None:
    """From the numbers of config.json; None for an architecture that is not among `_DECODERS`."""
    if config["model_type"] not in _DECODERS:
        return None
    width, heads = config["hidden_size"], config["num_attention_heads"]
    head = config.get("head_dim") or width // heads
    queries, keys = heads * head, config["num_key_value_heads"] * head
    biases = queries + 2 * keys if config["model_type"] == "qwen2" else 0
    attention = 2 * width * queries + 2 * width * keys + biases
    layer = attention + 3 * width * config["intermediate_size"] + 2 * width
    embeddings = config["vocab_size"] * width * (1 if config.get("tie_word_embeddings") else 2)
    return int(embeddings + config["num_hidden_layers"] * layer + width)
