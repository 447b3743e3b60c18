"""Loads a published model as a reader does, with `transformers`, and compares it with the release.

`transformers` and torch take six seconds to import, so only publishing imports this module.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import transformers
from httpx2 import HTTPError  # what huggingface_hub raises when the Hub cannot be reached
from huggingface_hub import get_safetensors_metadata
from huggingface_hub.errors import NotASafetensorsRepoError, SafetensorsParsingError
from PIL import Image
from safetensors import SafetensorError
from transformers import AutoConfig, AutoTokenizer, InstructBlipProcessor, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from stages.config.errors import BuildError
from stages.hub.manifest import ModelManifest
from stages.hub.models.files import Tensor, read_tensors

# Parameters up to which a model also answers: 1 GB of memory in 32 bits. Of a larger one the names,
# types and shapes of its weights are compared, which their headers say; that the same bytes came
# back was seen by their hashes before.
_ANSWERING = 250_000_000
_TOKENS = 16  # of the answer

_UNREADABLE = (
    HTTPError,
    NotASafetensorsRepoError,
    OSError,
    RuntimeError,
    SafetensorError,
    SafetensorsParsingError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class _Place:
    """A folder, or a repository on the Hub at a revision."""

    where: str
    revision: str | None
    """None for a folder"""
    cache: str

    @property
    def options(self) -> dict[str, Any]:
        return {"revision": self.revision, "cache_dir": self.cache} if self.revision else {}


def load_model_back(
    where: str, revision: str | None, release: Path, manifest: ModelManifest
) -> None:
    """Load `where`, a folder or a repository on the Hub at `revision`, and compare.

    Raises BuildError unless its weights have the names, types and shapes of the release and fit
    its configuration, a chat is rendered as before, and, where the model is small, it loads with
    nothing missing and answers as the release does. No more than a small model is held in memory.
    """
    disable_progress_bar()
    with TemporaryDirectory() as cache:
        place = _Place(where, revision, cache)
        try:
            _compare(place, _Place(str(release), None, cache), manifest)
        except _UNREADABLE as error:
            reason = (str(error).strip() or repr(error)).splitlines()[0]
            raise BuildError(
                f"{where}: `transformers` cannot load what was published "
                f"({type(error).__name__}: {reason})."
            ) from error


def _compare(place: _Place, ours: _Place, manifest: ModelManifest) -> None:
    tensors = read_tensors(Path(ours.where))
    _same_weights(place.where, _tensors(place), tensors)
    model = _class(place, manifest)
    _fits(place, model, tensors)
    if manifest.task == "text-generation":
        _same_chat(place, manifest)
    inputs, expected = _inputs(place, manifest), _inputs(ours, manifest)
    for name in sorted(inputs.keys() | expected.keys()):
        if name not in inputs or name not in expected or not inputs[name].equal(expected[name]):
            raise BuildError(
                f"{place.where}: puts the row {manifest.example.id} to the model with other "
                f"'{name}' than the release."
            )
    if manifest.parameters <= _ANSWERING:
        said, wanted = (_answer(one, model, inputs) for one in (place, ours))
        if said != wanted:
            raise BuildError(f"{place.where}: answers with the tokens {said}, not {wanted}.")


def _tensors(place: _Place) -> dict[str, Tensor]:
    """Name, type and shape of all weights; from the Hub come the headers alone."""
    if place.revision is None:
        return read_tensors(Path(place.where))
    metadata = get_safetensors_metadata(place.where, revision=place.revision)
    return {
        name: Tensor(one.dtype, tuple(one.shape))
        for file in metadata.files_metadata.values()
        for name, one in file.tensors.items()
    }


def _same_weights(where: str, found: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> None:
    for name in sorted(ours.keys() | found.keys()):
        if found.get(name) != ours.get(name):
            raise BuildError(
                f"{where}: the weight '{name}' is {_told(found.get(name))}, not "
                f"{_told(ours.get(name))}."
            )


def _told(tensor: Tensor | None) -> str:
    return f"{tensor.dtype} {list(tensor.shape)}" if tensor else "missing"


def _class(place: _Place, manifest: ModelManifest) -> type[PreTrainedModel]:
    config = AutoConfig.from_pretrained(place.where, **place.options)
    if config.architectures != [manifest.architecture]:
        raise BuildError(
            f"{place.where}: is a {config.architectures}, not a {manifest.architecture}."
        )
    model = getattr(transformers, manifest.architecture, None)
    if not (isinstance(model, type) and issubclass(model, PreTrainedModel)):
        raise BuildError(
            f"{place.where}: `transformers` {transformers.__version__} has no model "
            f"'{manifest.architecture}'."
        )
    return model


def _fits(place: _Place, model: type[PreTrainedModel], tensors: Mapping[str, Tensor]) -> None:
    """Raise BuildError unless the weights are those that the configuration asks for."""
    config = AutoConfig.from_pretrained(place.where, **place.options)
    with torch.device("meta"):  # shapes without values
        empty = model(config)
    wanted = {name: tuple(one.shape) for name, one in empty.state_dict().items()}
    tied = dict(empty.all_tied_weights_keys)  # another name of the same weights, saved once
    for name in sorted(wanted.keys() | tensors.keys()):
        if name in tied and name not in tensors:
            continue
        found = tensors[name].shape if name in tensors else None
        if wanted.get(name) != found:
            raise BuildError(
                f"{place.where}: its configuration asks for the weight '{name}' as "
                f"{wanted.get(name)}, and there it is {found}."
            )


def _same_chat(place: _Place, manifest: ModelManifest) -> None:
    example = manifest.example
    tokenizer = AutoTokenizer.from_pretrained(place.where, **place.options)
    shown = tokenizer.apply_chat_template(example.messages, tokenize=False)
    if shown != example.rendered:
        raise BuildError(
            f"{place.where}: shows the row {example.id} as {shown!r}, not as {example.rendered!r}."
        )


def _inputs(place: _Place, manifest: ModelManifest) -> Any:
    """The first question of the example, as the model is given it."""
    example = manifest.example
    if manifest.task == "image-text-to-text":
        processor = InstructBlipProcessor.from_pretrained(place.where, **place.options)
        # Its picture is no part of the release. What is made of a grey one shows as much.
        grey = Image.new("RGB", (80, 60), "gray")
        return processor(images=grey, text=example.rendered, return_tensors="pt")
    tokenizer = AutoTokenizer.from_pretrained(place.where, **place.options)
    asked = next(at for at, one in enumerate(example.messages) if one["role"] == "assistant")
    return tokenizer.apply_chat_template(
        example.messages[:asked], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )


def _answer(place: _Place, kind: type[PreTrainedModel], inputs: Any) -> list[int]:
    """The first tokens that the model says."""
    model, info = kind.from_pretrained(
        place.where, use_safetensors=True, dtype="auto", output_loading_info=True, **place.options
    )
    lacking = sorted(info["missing_keys"]) + sorted(info["unexpected_keys"])
    if lacking:
        raise BuildError(f"{place.where}: weights are missing or not wanted: {lacking}.")
    with torch.inference_mode():
        said = model.generate(**inputs, max_new_tokens=_TOKENS, do_sample=False)
    return said[0, inputs["input_ids"].shape[1] :].tolist()
