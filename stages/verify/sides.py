"""Compares a release with what was made again in its place, down to the first rows that differ."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from stages.config.lineage import lineage
from stages.diff.compare import compare
from stages.diff.sides import Side
from stages.diff.text import comparison_text
from stages.hub.datasets.ancestry import ancestry
from stages.hub.datasets.facts import exports_of
from stages.hub.datasets.shards import (
    count_keys,
    even_shards,
    merge_ledgers,
    records_of,
    shards_of,
    write_shards,
)
from stages.hub.manifest import DatasetManifest
from stages.hub.pull.untrusted import shown
from stages.llm.exchange import EXPORT
from stages.rows.parquet import schema_of
from stages.verify.compare import Files, Parted, part, schema_in, writer_of
from stages.verify.project import Project

_EXAMPLES = 3  # rows shown for each cause


def compare_release(
    release: Path, manifest: DatasetManifest, project: Project
) -> tuple[bool, RenderableType]:
    """Whether the dataset made in `project` has the content of the release, and what to say of it.

    Raises BuildError when a file of the release is no Parquet.
    """
    data = Files([release / file.path for file in manifest.data], _write_data(project, manifest))
    replies = Files(
        [release / file.path for file in manifest.ledger], _write_ledger(project, manifest)
    )
    same = data.same, replies.same
    what = f"{manifest.rows:,} rows and {sum(one.rows for one in manifest.ledger):,} replies"
    if same == ("bytes", "bytes"):
        return True, _verdict(manifest, "bit for bit", f"{what} have the bytes of the release.")
    rows = _differing_rows(release, manifest, project, data) if same[0] == "neither" else None
    records = part(replies, "key") if same[1] == "neither" else Parted()
    if rows is None and not records:
        other = replies if same[0] == "bytes" else data
        writers = f"writer {_writer(other.released)} against {_writer(other.made)}"
        return True, _verdict(manifest, "same content, other bytes", f"{what}; {writers}.")
    return False, Group(*_differences(manifest, rows, records))


def _write_data(project: Project, manifest: DatasetManifest) -> list[Path]:
    table = project.paths.table(manifest.reference)
    stem = project.root / "release/data/train"
    return write_shards(stem, schema_of(table), "id", records_of(table), shards_of(table))


def _write_ledger(project: Project, manifest: DatasetManifest) -> list[Path]:
    build, stem = project.settings.build, project.root / "release/ledger/ledger"
    exports = exports_of(build, project.paths, ancestry(build, manifest.reference))
    keys = count_keys(exports)
    sizes = even_shards(keys) if keys else []
    return write_shards(stem, EXPORT, "key", merge_ledgers(exports), sizes)


def _differing_rows(
    release: Path, manifest: DatasetManifest, project: Project, data: Files
) -> RenderableType | None:
    """The rows that differ, and why; None where all values are the same."""
    if schema_in(data.released) == schema_in(data.made):
        build, paths = project.settings.build, project.paths
        chain = lineage(build, manifest.reference)

        def find(name: str) -> Path | None:
            path = paths.root / name
            return path if path.is_file() else None

        ledgers = [release / file.path for file in manifest.ledger]
        exports = exports_of(build, paths, chain)
        before = Side("the release", list(data.released), [], {}, lambda _: None, lambda: ledgers)
        after = Side("made again", list(data.made), chain, {}, find, lambda: exports)
        found = compare(manifest.name, before, after, _EXAMPLES)
        if found.causes:
            return comparison_text(found)
    # Columns of other types, and `messages`, which says again what others say, are not compared
    # above.
    parted = part(data, "id")
    return _parted_text("rows", parted) if parted else None


def _differences(
    manifest: DatasetManifest, rows: RenderableType | None, records: Parted
) -> Iterator[RenderableType]:
    """The verdict about a release that has other content, in parts."""
    if rows:
        told = "these sources, this ledger and this checkout do not make them.\n"
        yield _verdict(manifest, "other rows", told)
        yield rows
    else:
        told = "its rows are made again, but with other replies than its ledger holds."
        yield _verdict(manifest, "other replies", told)
    if records:
        yield _parted_text("ledger", records)


def _verdict(manifest: DatasetManifest, word: str, sentence: str) -> Text:
    return Text.assemble(f"{manifest.reference}: ", (word, "bold"), f": {sentence}")


def _parted_text(what: str, found: Parted) -> Text:
    counts = [
        (found.released_only, "in the release alone"),
        (found.made_only, "made here alone"),
        *((count, f"with another {shown(name)}") for name, count in found.columns.most_common()),
    ]
    told = ", ".join(f"{count:,} {where}" for count, where in counts if count)
    return Text(f"{what}: {told}; the first: {', '.join(map(shown, found.first))}")


def _writer(files: Sequence[Path]) -> str:
    if not files:
        return "none"
    return f"{writer_of(files[0])}" + (f", {len(files)} files" if len(files) > 1 else "")
