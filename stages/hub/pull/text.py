"""What a pulled release is, for the terminal. All that a manifest says is somebody else's text."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from stages.hub.manifest import DatasetManifest, ModelManifest
from stages.hub.pull.check import names
from stages.hub.pull.pull import Release
from stages.hub.pull.untrusted import shown

_MOST = 8  # sources, models, licences or scores that are named


def release_text(release: Release) -> RenderableType:
    """A line for each thing to know."""
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(overflow="fold")
    for label, told in _lines(release):
        table.add_row(Text(label, "bold"), Text(told))
    notes = [Text(note) for note in release.notes]
    return Group(*notes, table)


def _lines(release: Release) -> Iterator[tuple[str, str]]:
    checked = release.checked
    manifest, pulled = checked.manifest, checked.pulled
    size = decimal(sum(file.bytes for file in manifest.files.values()))
    if isinstance(manifest, DatasetManifest):
        yield "dataset", f"{shown(manifest.name)}, {manifest.rows:,} rows, {size}"
    else:
        yield "model", f"{shown(manifest.name)}, {size}"
    if pulled:
        yield "from", f"{pulled.repo} {pulled.revision}, commit {pulled.commit}"
    yield "licence", f"{shown(manifest.licence)}: {_listed(_licences(manifest))}"
    if isinstance(manifest, DatasetManifest):
        yield from _dataset(manifest)
    else:
        yield from _model(manifest)
    if checked.provenance and checked.provenance.git_commit:
        yield "built at", f"Git commit {shown(checked.provenance.git_commit)}"
    yield "verified", f"{len(manifest.files)} files, each with the hash that its manifest says"
    if release.left:
        yield "not fetched", f"the manifest does not list {shown(names(release.left))}"
    if checked.unlisted:
        yield "not used", f"the manifest does not list {shown(names(checked.unlisted))}"
    yield "folder", str(checked.folder)


def _licences(manifest: DatasetManifest | ModelManifest) -> list[str]:
    return [f"{one.of} {one.licence}" for one in manifest.licences]


def _dataset(manifest: DatasetManifest) -> Iterator[tuple[str, str]]:
    for source in manifest.sources[:_MOST]:
        origins = [f"{one.repo} at {one.revision[:12]}" for one in source.origins]
        told = f"{shown(source.name)}, {source.rows_released:,} rows from {_listed(origins)}"
        yield "made of", told
    replies = sum(file.rows for file in manifest.ledger)
    models = [f"{one.name} {one.revision[:12]}".strip() for one in manifest.models]
    yield "models", _listed(list(dict.fromkeys(models))) or "none"
    yield "ledger", f"{replies:,} replies; take them into yours with `seqsmith import FOLDER`"


def _model(manifest: ModelManifest) -> Iterator[tuple[str, str]]:
    trained = manifest.trained
    base = f"{trained.base} {trained.base_revision[:12]}".strip()
    yield "made of", f"{shown(base)}, fine-tuned on {shown(trained.dataset)}"
    yield "data", f"SHA-256 {shown(trained.dataset_sha256)}"
    scores = [
        f"{one.benchmark} ({one.scores[0].metric} {one.scores[0].value:.3f})"
        for one in manifest.scores
        if one.scores
    ]
    yield "scored on", _listed(scores) or "nothing"


def _listed(texts: list[str]) -> str:
    more = f" and {len(texts) - _MOST} more" if len(texts) > _MOST else ""
    return ", ".join(shown(text) for text in texts[:_MOST]) + more
