"""The manifest: everything about a release that follows from its content, as one JSON file."""

from importlib.metadata import version
from pathlib import Path
from platform import python_version_tuple
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from stages.config.errors import BuildError
from stages.hub.address import Address
from stages.hub.parts import (
    Check,
    Comparison,
    Engine,
    Example,
    Facts,
    File,
    Licence,
    Model,
    Outcome,
    ParquetFile,
    PromptFile,
    Scored,
    Source,
    Table,
    Trained,
)
from stages.rows.parquet import file_hash

MANIFEST = "manifest.json"
ATTRIBUTES = ".gitattributes"
"""the Hub's own file in every repository"""

# Packages that the bytes of a release or of a request depend on.
_LIBRARIES = ("jinja2", "orjson", "pyarrow", "pydantic", "pyyaml")


class Manifest(Facts):
    """What every release says of itself."""

    format: Literal[2] = 2
    kind: Literal["dataset", "model"]
    """what the Hub calls the type of a repository"""
    name: str
    """of the dataset or the model"""
    profile: str
    address: Address
    licence: str
    """the strictest of `licences`"""
    licences: list[Licence]
    libraries: dict[str, str]
    card: File | None
    """None only while the card is being written, from the rest"""

    @property
    def reference(self) -> str:
        """What is released: `datasets/NAME` or `models/NAME`."""
        raise NotImplementedError

    @property
    def errors(self) -> list[str]:
        """The rules that a release must meet and this one does not."""
        raise NotImplementedError

    @property
    def content(self) -> list[File]:
        """The files of the release but its card and the manifest itself."""
        raise NotImplementedError

    @property
    def files(self) -> dict[str, File]:
        """All files of the release but the manifest itself, by path."""
        card = [self.card] if self.card else []
        return {file.path: file for file in (*self.content, *card)}


class DatasetManifest(Manifest):
    kind: Literal["dataset"] = "dataset"
    rows: int
    lineage: list[str]
    """the tables that its rows went through, from the source to the dataset"""
    languages: dict[str, int]
    tasks: dict[str, int]
    """number of sub-tasks -> rows"""
    outcomes: list[Outcome]
    sources: list[Source]
    tables: list[Table]
    """the lineage, and what else it was made from: each table behind those that it was made from"""
    parameters: dict[str, Any]
    """the settings of the build that shaped it, beside those of the tables"""
    prompts: list[PromptFile]
    models: list[Model]
    engines: list[Engine]
    checks: list[Check]
    statistics: dict[str, Any]
    data: list[ParquetFile]
    ledger: list[ParquetFile]
    """of all tables; empty where none asked a model"""

    @property
    def reference(self) -> str:
        return f"datasets/{self.name}"

    @property
    def errors(self) -> list[str]:
        return [one.what for one in self.checks if one.severity == "error" and not one.success]

    @property
    def content(self) -> list[File]:
        return [*self.data, *self.ledger]


class ModelManifest(Manifest):
    kind: Literal["model"] = "model"
    demonstration: bool
    """whether it only shows that the pipeline works: its profile is not releasable"""
    task: Literal["text-generation", "image-text-to-text"]
    """what the Hub calls that which it does"""
    architecture: str
    """the class in `transformers`"""
    parameters: int
    dtypes: list[str]
    """of the weights, as safetensors calls them"""
    trained: Trained
    checks: list[Check]
    """the audit of the dataset"""
    scores: list[Scored]
    comparisons: list[Comparison]
    example: Example
    weights: list[File]
    """safetensors, configuration, tokenizer with its chat template: all that training saved"""
    notices: list[File]
    """files that a licence asks for"""

    @property
    def reference(self) -> str:
        return f"models/{self.name}"

    @property
    def errors(self) -> list[str]:
        return [one.what for one in self.checks if one.severity == "error" and not one.success]

    @property
    def content(self) -> list[File]:
        return [*self.weights, *self.notices]


_ANY: TypeAdapter[DatasetManifest | ModelManifest] = TypeAdapter(
    Annotated[DatasetManifest | ModelManifest, Field(discriminator="kind")]
)


def libraries() -> dict[str, str]:
    """The versions of what shapes bytes."""
    python = ".".join(python_version_tuple()[:2])
    return {"python": python, **{name: version(name) for name in _LIBRARIES}}


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of the release in `folder`."""
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", "utf-8")


def parse_manifest(text: bytes) -> DatasetManifest | ModelManifest:
    """The manifest that `text` is. Raises pydantic.ValidationError."""
    return _ANY.validate_json(text)


def read_manifest(folder: Path) -> DatasetManifest | ModelManifest:
    """The manifest of the release in `folder`. Raises BuildError when it is not one."""
    path = folder / MANIFEST
    try:
        return parse_manifest(path.read_bytes())
    except FileNotFoundError:
        raise BuildError(
            f"{path}: no such file. Make the release first: python -m stages.package "
            f"{folder.parent.name}/{folder.name}"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        raise BuildError(
            f"{path}: not a manifest of this version: {'.'.join(map(str, first['loc']))}: "
            f"{first['msg']}. Make the release again: python -m stages.package "
            f"{folder.parent.name}/{folder.name}"
        ) from None


def differences(folder: Path, manifest: Manifest, *also: str) -> str:
    """How the files in `folder` differ from what the manifest says; empty when they do not.

    `also` names files that may stand there besides.
    """
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    missing = sorted(manifest.files.keys() - present)
    foreign = sorted(present - manifest.files.keys() - {MANIFEST, *also})
    changed = sorted(
        file.path
        for file in manifest.files.values()
        if file.path in present and file_hash(folder / file.path) != file.sha256
    )
    kinds = {"missing": missing, "changed": changed, "not listed": foreign}
    return ", ".join(
        f"{len(names)} {kind}, such as '{names[0]}'" for kind, names in kinds.items() if names
    )
