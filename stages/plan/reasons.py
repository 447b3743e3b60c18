"""Why a reply is missing: the request is held against what the last build asked about the row."""

from collections.abc import Iterable
from pathlib import Path

import orjson
import pyarrow.parquet as pq

from stages.llm.ledger import Ledger, Record
from stages.llm.request import Request
from stages.rows.row import Row

REASONS = {
    "new row": "the last build had no such row",
    "row edited": "its text is not what the last build asked about",
    "model": "another model or revision",
    "sampling": "other sampling parameters",
    "prompt": "another system prompt, demonstration or question",
    "step added": "the last build did not ask this about the row",
    "reply lost": "asked before, but the reply is not in this ledger",
    "failed before": "the last attempt failed",
    "no earlier build": "the table of the last build is not there to compare with",
}


class LastBuild:
    """The table that the last build made at one stage: which requests each row took there."""

    def __init__(self, table: Path, ledger: Ledger, current: Iterable[Row]) -> None:
        self._ledger = ledger
        self._events: dict[str, dict] = {}
        self._positions: set[tuple[str, int]] = set()
        # A response takes one request, an iteration one to choose and mostly one to rewrite.
        self.usual = 1.0 if table.parent.name == "datasets" else 1.8
        """requests that a row takes at the stage, on average"""
        self.is_there = table.is_file()
        if not self.is_there:
            return
        here = {row.id for row in current}
        for batch in pq.ParquetFile(table).iter_batches(columns=["id", "history", "origin"]):
            for record in batch.to_pylist():
                self._events[record["id"]] = record["history"][-1]
                if record["id"] not in here:  # a row of this position has gone
                    self._positions.add(_position(record["id"], record["origin"]["row"]))
        if self._events:
            asked = sum(len(event["requests"]) for event in self._events.values())
            self.usual = asked / len(self._events)

    def reason(self, request: Request, row: Row, failed: bool) -> str:
        """One of `REASONS` for a request about `row`, as it was when it came to this stage."""
        if failed:
            return "failed before"
        if not self.is_there:
            return "no earlier build"
        event = self._events.get(row.id)
        if event is None:
            gone = _position(row.id, row.origin.row) in self._positions
            return "row edited" if gone else "new row"
        if request.key in event["requests"]:
            return "reply lost"
        asked = [_Asked(record) for record in self._ledger.records(event["requests"])]
        if not asked:
            return "step added" if not event["requests"] else "reply lost"
        if all((one.model, one.revision) != (request.model, request.revision) for one in asked):
            return "model"
        sampling = orjson.loads(request.encoding)["sampling"]
        if all(one.sampling != sampling for one in asked):
            return "sampling"
        if event["instruction"] != row.instruction:
            return "row edited"
        return "prompt"


class _Asked:
    def __init__(self, record: Record) -> None:
        request = orjson.loads(record.request)
        self.model, self.revision = request["model"], request["revision"]
        self.sampling = request["sampling"]


def _position(id: str, row: int) -> tuple[str, int]:
    return id.split(":")[0], row
