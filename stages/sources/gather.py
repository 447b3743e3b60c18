"""Gathers rows from an upstream: checked, without duplicates, sampled by hash, sorted by id."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pyarrow as pa

from stages.config.errors import BuildError
from stages.rows.quarantine import Quarantined
from stages.rows.row import SCHEMA, SCHEMA_WITH_IMAGE, Origin, Picture, Row, row_id
from stages.sources.pictures import Pictures
from stages.sources.shape import Fields, Refusal
from stages.sources.text import escape_surrogates
from stages.sources.upstream import Upstream

_MOST_COLUMNS = 20  # column names that are not read, as far as the metrics list them
_LONGEST_BYTES = 1_000  # bytes in a column that the quarantine shows; of longer ones the hash


@dataclass(slots=True)
class Gathered:
    """What came of an upstream. rows_in = rows + quarantined + sampled_out."""

    rows_in: int = 0
    not_selected: int = 0
    """records of other parts of the upstream, which are no rows of this source"""
    rows: list[Row] = field(default_factory=list)
    """sorted by id; their pictures are empty and stand in `pictures`, see `whole_rows`"""
    pictures: Pictures = field(default_factory=Pictures)
    keys: dict[str, bytes] = field(default_factory=dict)
    """of rows with pictures: id -> key in `pictures`"""
    quarantined: list[Quarantined] = field(default_factory=list)
    sampled_out: int = 0
    changes: Counter[str] = field(default_factory=Counter)
    """what shapes cleared or dropped, and characters removed or replaced, over all records"""
    unread: set[str] = field(default_factory=set)
    """names of columns that are not read"""

    @property
    def schema(self) -> pa.Schema:
        """The schema of the rows."""
        return SCHEMA_WITH_IMAGE if self.keys else SCHEMA

    def whole_rows(self) -> Iterator[Row]:
        """The rows, each with its picture: one picture in memory at a time."""
        for row in self.rows:
            if row.image:
                data = self.pictures.get(self.keys[row.id])
                row = replace(row, image=Picture(data, row.image.path))
            yield row


def gather(source: str, language: str, limit: int | None, upstream: Upstream) -> Gathered:
    """The rows of an upstream; the `limit` smallest ids of them when there are more.

    Ids are hashes of the content, so the sample is random, does not depend on the order upstream,
    and holds every smaller sample. Of equal rows the first is kept. Memory grows with the rows
    kept, at most twice `limit`, and by one id for each row read; pictures are kept on disk.

    Raises BuildError when there is no row, or none that can be used.
    """
    gathered = Gathered(unread=set(upstream.unread))
    shape = upstream.shape
    seen: dict[str, int] = {}
    for position, record in enumerate(upstream.records):
        if not upstream.is_wanted(record):
            gathered.not_selected += 1
            continue
        gathered.rows_in += 1
        if isinstance(record, dict):
            gathered.unread.update(record.keys() - set(shape.reads(record).values()))
        fields = shape.read(record, gathered.changes)
        key = b""
        if isinstance(fields, Fields) and fields.image:
            fields, key = _keep_picture(fields, fields.image, gathered.pictures, record)
        if isinstance(fields, Refusal):
            gathered.quarantined.append(_quarantine(source, position, fields))
            continue
        id = fields.id or _id(source, fields, key)
        first = seen.setdefault(id, position)
        if first != position:
            refusal = Refusal("duplicate", f"the same as row {first}, {id}", record)
            gathered.quarantined.append(_quarantine(source, position, refusal))
            continue
        origin = Origin(
            repo=f"{upstream.repo}#{fields.part}" if fields.part else upstream.repo,
            revision=upstream.revision,
            row=position if fields.number is None else fields.number,
        )
        row = Row(
            id=id,
            instruction=fields.instruction,
            input=fields.input,
            output=fields.output,
            source=source,
            origin=origin,
            system=fields.system,
            placement=fields.placement,
            language=language,
            image=fields.image,
        )
        gathered.rows.append(row)
        if key:
            gathered.keys[id] = key
        if limit and len(gathered.rows) >= 2 * limit:
            _sample(gathered, limit)
    _sample(gathered, limit)
    _check_some(source, upstream, gathered)
    return gathered


def _sample(gathered: Gathered, limit: int | None) -> None:
    gathered.rows.sort(key=lambda row: row.id)
    if limit:
        for row in gathered.rows[limit:]:
            gathered.keys.pop(row.id, None)
        gathered.sampled_out += len(gathered.rows[limit:])
        del gathered.rows[limit:]


def _keep_picture(
    fields: Fields, picture: Picture, pictures: Pictures, record: object
) -> tuple[Fields | Refusal, bytes]:
    """The fields with an empty picture, and the key of what was in it."""
    try:
        key = pictures.keep(picture.bytes)
    except ValueError as error:
        return Refusal("undecodable-image", f"{picture.path} {error}", record), b""
    return fields._replace(image=Picture(b"", picture.path)), key


def _id(source: str, fields: Fields, key: bytes) -> str:
    """The id of a row; a picture is part of what it is about, so its hash goes with the input."""
    input = f"{key.hex()} {fields.input}" if key else fields.input
    return row_id(source, fields.instruction, input, fields.output, fields.system)


def _quarantine(source: str, position: int, refusal: Refusal) -> Quarantined:
    return Quarantined(
        id=f"{source}:row-{position}",
        stage="fetch",
        reason=refusal.reason,
        detail=refusal.detail,
        row=_as_json(refusal.record),
    )


def _as_json(record: object) -> str:
    """The record as JSON: text as it is, lone surrogates escaped, other types by their name."""
    return escape_surrogates(json.dumps(record, ensure_ascii=False, default=_plain))


def _plain(value: object) -> object:
    if isinstance(value, Refusal):
        return value.record
    if isinstance(value, bytes) and len(value) > _LONGEST_BYTES:
        return f"{len(value)} bytes, SHA-256 {hashlib.sha256(value).hexdigest()}"
    return str(value)


def _check_some(source: str, upstream: Upstream, gathered: Gathered) -> None:
    if not gathered.rows_in:
        part = "".join(f" whose {name} begins '{text}'" for name, text in upstream.only.items())
        raise BuildError(
            f"{upstream.repo}: has no rows{part}; source '{source}' needs at least one."
        )
    if not gathered.rows:
        reasons = Counter(row.reason for row in gathered.quarantined)
        first = gathered.quarantined[0]
        raise BuildError(
            f"{upstream.repo}: none of its {gathered.rows_in:,} rows can be used "
            f"({listed(reasons)}). The first, {first.id}: {first.detail}. "
            f"The shape {upstream.shape.name} needs the columns "
            f"{', '.join(upstream.shape.needs())}; other names can be mapped with `columns` in the "
            "profile."
        )


def metrics(gathered: Gathered, upstream: Upstream) -> dict[str, object]:
    """The counts of a source, for the metrics file; the same numbers give the same order."""
    reasons = Counter(row.reason for row in gathered.quarantined)
    names = sorted(escape_surrogates(name)[:100] for name in gathered.unread)
    return {
        "origin": {"repo": upstream.repo, "revision": upstream.revision},
        "not_selected": gathered.not_selected,
        "rows_in": gathered.rows_in,
        "rows_out": len(gathered.rows),
        "sampled_out": gathered.sampled_out,
        "quarantined": len(gathered.quarantined),
        "reasons": dict(sorted(reasons.items())),
        "inputs_cleared": gathered.changes["inputs_cleared"],
        "turns_dropped": gathered.changes["turns_dropped"],
        "line_ends_changed": gathered.changes["line_ends"],
        "control_characters_removed": gathered.changes["control_characters"],
        "zero_width_characters_removed": gathered.changes["zero_width_characters"],
        "columns_not_read": names[:_MOST_COLUMNS],
    }


def listed(counts: Counter[str]) -> str:
    """Counts for a sentence, by name: `empty-output 25, not-text 1`."""
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
