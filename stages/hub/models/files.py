"""The files of a trained model: which ones a release takes, and what safetensors say they hold."""

import shutil
from dataclasses import dataclass
from math import prod
from pathlib import Path

from safetensors import SafetensorError, safe_open

from stages.config.errors import BuildError

TRAINING = "training.json"
"""what a model was made of, beside its weights"""

# What training saves. `.model` is a SentencePiece vocabulary.
_TAKEN = {".safetensors", ".json", ".jinja", ".txt", ".model"}
_PICKLES = {".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth"}


@dataclass(frozen=True, slots=True)
class Tensor:
    dtype: str
    """as safetensors calls it, such as F32 or BF16"""
    shape: tuple[int, ...]

    @property
    def parameters(self) -> int:
        return prod(self.shape)


def copy_model(model: Path, folder: Path) -> list[Path]:
    """Copy the files of the trained `model` to `folder` as they are; returns them, sorted.

    Raises BuildError when one of them is none that a release takes, or one is missing.
    """
    files = model_files(model)
    for path in files:
        target = folder / path.relative_to(model)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return [folder / path.relative_to(model) for path in files]


def model_files(model: Path) -> list[Path]:
    """The files of a trained model. Raises BuildError as `copy_model`."""
    files = sorted(path for path in model.rglob("*") if path.is_file())
    for path in files:
        if path.suffix.lower() in _PICKLES:
            raise BuildError(
                f"{path}: pickles run code when they are loaded, and are not released. Train the "
                f"model again, which saves safetensors: python -m stages.train {model.name}"
            )
        if path.suffix.lower() not in _TAKEN:
            raise BuildError(
                f"{path}: no file that training saves ({', '.join(sorted(_TAKEN))}). Take it out "
                "of the folder; a release has the files of the training and no others."
            )
    names = {path.relative_to(model).as_posix() for path in files}
    for name in (TRAINING, "config.json", "tokenizer_config.json"):
        if name not in names:
            raise BuildError(
                f"{model / name}: no such file, so this is no trained model. Train it: "
                f"python -m stages.train {model.name}"
            )
    return files


def read_tensors(model: Path) -> dict[str, Tensor]:
    """Name, type and shape of all weights in a folder, from the headers alone.

    Raises BuildError when there are none, or a file is no safetensors.
    """
    found = {}
    for path in sorted(model.glob("*.safetensors")):
        try:
            with safe_open(path, framework="np") as file:
                for name in file.keys():  # noqa: SIM118 - no mapping
                    one = file.get_slice(name)
                    found[name] = Tensor(one.get_dtype(), tuple(one.get_shape()))
        except (SafetensorError, OSError) as error:
            raise BuildError(
                f"{path}: no safetensors ({str(error).splitlines()[0]}). Train the model again: "
                f"python -m stages.train {model.name}"
            ) from error
    if not found:
        raise BuildError(
            f"{model}: no *.safetensors file in it, so there are no weights to release. Train the "
            f"model: python -m stages.train {model.name}"
        )
    return found
