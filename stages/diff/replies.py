"""The exported ledgers of a side: enough of each request to tell two apart, texts when shown."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import polars as pl
import pyarrow.parquet as pq

_DIGITS = 16  # of a key's 64: 300,000 keys meet with a chance of 1 in 400 million
_NEEDED = ("key", "model", "revision", "sampling", "context", "prompt", "attempt", "reply")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and its reply. Numbers are hashes, to be compared within one run only."""

    model: str
    revision: str
    sampling: str
    """JSON"""
    system: int
    """of the messages before the demonstrations"""
    demonstrations: int
    """of the turns before the question, in whatever order"""
    question: int
    form: int
    """of the schema that the reply must follow"""
    joined: int
    """of what goes with the question: pictures, reference, and a continuation to be judged"""
    attempt: int
    reply: int
    """of the text and the outcome"""


class Replies:
    """The requests of some exported ledgers, by key; 100 bytes of memory for each."""

    def __init__(self, exports: Sequence[Path]) -> None:
        readable = [path for path in exports if set(_NEEDED) <= set(pq.read_schema(path).names)]
        self._exports = readable
        self._frame = pl.DataFrame()
        if readable:
            frames = [_digests(path) for path in readable]
            self._frame = pl.concat(frames).unique("key", keep="first").sort("key")
            self._contexts = _contexts(readable)
            self._keys = self._frame["key"].to_numpy()

    def get(self, key: str) -> Asked | None:
        """The request of a key; None where no ledger has it."""
        if self._frame.is_empty():
            return None
        wanted = np.uint64(int(key[:_DIGITS], 16))
        at = int(np.searchsorted(self._keys, wanted))
        if at == len(self._keys) or self._keys[at] != wanted:
            return None
        found = self._frame.row(at, named=True)
        del found["key"]
        system, demonstrations = self._contexts[found.pop("context")]
        return Asked(**found, system=system, demonstrations=demonstrations)

    def texts(self, keys: Collection[str]) -> dict[str, dict[str, str]]:
        """What was asked and replied, in full, of a few keys: name of the part -> text."""
        found: dict[str, dict[str, str]] = {}
        for path in self._exports:
            records = pl.scan_parquet(path).filter(pl.col("key").is_in(list(keys)))
            for record in records.collect(engine="streaming").iter_rows(named=True):
                system, turns = _split(record["context"])
                found[record["key"]] = {
                    "system prompt": "\n\n".join(system),
                    "demonstrations": "\n\n".join(sorted(turns)),
                    "question": record["prompt"],
                    "continuation": record.get("continuation") or "",
                    "reply schema": record.get("schema") or "",
                    "sampling": record["sampling"],
                    "reply": record["reply"],
                }
        return found


def _digests(path: Path) -> pl.DataFrame:
    names = pq.read_schema(path).names

    def column(name: str) -> pl.Expr:
        """Empty where the export has none: it is older, or of requests that need none."""
        return pl.col(name) if name in names else pl.lit("")

    outcome = column("outcome").cast(pl.String)
    return (
        pl.scan_parquet(path)
        .select(
            pl.col("key").str.slice(0, _DIGITS).str.to_integer(base=16, dtype=pl.UInt64),
            *(pl.col(name).cast(pl.Categorical) for name in ("model", "revision", "sampling")),
            pl.col("context").hash(),
            pl.col("prompt").hash().alias("question"),
            column("schema").hash().alias("form"),
            pl.struct(
                column("reference").hash().alias("reference"),
                column("continuation").fill_null("").hash().alias("continuation"),
                column("images").hash()
                if "images" in names
                else pl.lit(0, pl.UInt64).alias("images"),
            )
            .hash()
            .alias("joined"),
            pl.col("attempt"),
            pl.struct(pl.col("reply"), outcome.alias("outcome")).hash().alias("reply"),
        )
        .collect(engine="streaming")
    )


def _contexts(exports: Sequence[Path]) -> dict[int, tuple[int, int]]:
    """Hash of a context -> hashes of its system messages and of its turns, in whatever order."""
    contexts: dict[int, tuple[int, int]] = {}
    for path in exports:
        unique = pl.scan_parquet(path).select("context").unique()
        for batch in unique.with_columns(hash=pl.col("context").hash()).collect().iter_slices():
            for text, digest in batch.iter_rows():
                system, turns = _split(text)
                contexts[digest] = (hash(tuple(system)), hash(tuple(sorted(turns))))
    return contexts


def _split(context: str) -> tuple[list[str], list[str]]:
    """The system messages, and the turns of user and assistant, each question with its answer."""
    messages = [(role, content) for role, content, *_ in orjson.loads(context)]
    system = [content for role, content in messages if role == "system"]
    others = [content for role, content in messages if role != "system"]
    return system, ["\n".join(others[at : at + 2]) for at in range(0, len(others), 2)]
