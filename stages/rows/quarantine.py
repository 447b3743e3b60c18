"""The quarantine: rows that a stage could not keep, with their reasons; the conservation law."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from stages.config.errors import BuildError
from stages.rows.parquet import write_records
from stages.rows.row import Row

LEFT_OUT = "left out: "
"""how the reason begins where nothing is wrong with a row, but the method has no place for it"""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A row that was taken out, why, and everything needed to look into it."""

    id: str
    """the row's id; for rows without one, `<source>:row-<position>`"""
    stage: str
    reason: str
    """short and countable, such as `empty-instruction` or `unanswered: truncated`"""
    detail: str
    """a sentence about this row"""
    row: str
    """the row as JSON, whole"""
    reply: str = ""
    """the model's raw reply, where there was one"""


def take_out(row: Row, stage: str, reason: str, detail: str, reply: str = "") -> Quarantined:
    """A row in quarantine, whole but for the bytes of its picture, which no JSON can hold."""
    name = row.image.path if row.image else None
    content = asdict(replace(row, image=None)) | {"image": name}
    return Quarantined(row.id, stage, reason, detail, orjson.dumps(content).decode(), reply)


SCHEMA = pa.schema([(name, pa.string()) for name in Quarantined.__dataclass_fields__])


def quarantine_path(output: Path) -> Path:
    """The quarantine file beside an output: `x.parquet` -> `x.quarantine.parquet`."""
    return output.with_suffix(".quarantine.parquet")


def write_quarantine(output: Path, rows: Iterable[Quarantined]) -> None:
    """Write the quarantine file beside `output`; it is there even when no row is in it."""
    write_records(quarantine_path(output), SCHEMA, (asdict(row) for row in rows))


def reasons(output: Path) -> Counter[str]:
    """How many rows were quarantined beside `output`, by reason."""
    table = pq.read_table(quarantine_path(output), columns=["reason"])
    return Counter(table["reason"].to_pylist())


def conserve(stage: str, rows_in: int, rows_out: int, quarantined: int) -> None:
    """Fail the stage unless every row that came in went out or was quarantined."""
    if rows_in != rows_out + quarantined:
        raise BuildError(
            f"{stage}: {rows_in:,} rows came in, but {rows_out:,} went out and {quarantined:,} "
            f"were quarantined ({rows_in - rows_out - quarantined:+,} unaccounted for). "
            "Nothing may be lost or made up: this is a fault in the stage, please report it."
        )
