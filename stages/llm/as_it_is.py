"""A base model with a chat template of ours, to be asked as it is: links to its files."""

from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from stages.config.errors import BuildError
from stages.models.chat import read_template

_FILES = ["*.json", "*.model", "*.safetensors", "merges.txt", "vocab.txt"]
"""of a repository; no pickled weights, no code"""
_TEMPLATE = "chat_template.jinja"
"""what a tokenizer reads before the template in its own settings"""


def with_template(name: str, revision: str, template: str, place: Path) -> Path:
    """A folder in `place` that is the model `name`, shown every chat by `template`.

    Its own hash is then its revision: with another template it is another model. Raises BuildError
    when the model cannot be had.
    """
    source = Path(name) if Path(name).is_dir() else _download(name, revision)
    folder = place / name.rstrip("/").rpartition("/")[2]
    folder.mkdir()
    for file in sorted(source.resolve().iterdir()):
        if file.is_file() and file.name != _TEMPLATE:
            (folder / file.name).symlink_to(file.resolve())
    (folder / _TEMPLATE).write_text(read_template(template), "utf-8")
    return folder


def _download(name: str, revision: str) -> Path:
    try:
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=_FILES))
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise BuildError(
            f"{name}: it cannot be fetched from the Hub at revision '{revision}' "
            f"({type(error).__name__}). Check both, and log in to the Hub if it asks for that."
        ) from error
