"""The ledger: every reply of every model, under the key of its request, in one SQLite file."""

import hashlib
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, cast

import orjson

from stages.config.errors import BuildError
from stages.llm.request import Completion, Outcome, Request
from stages.llm.salvage import salvage

Result = TypeVar("Result")

FORMAT = 2  # of the file; PRAGMA user_version
_LOOKUP = 500  # keys in one SELECT; SQLite allows 32,766 variables

# A record is written once and found by its key, so the table keeps the order of arrival: sorted by
# key, every insertion would touch a page of its own.
TABLES = """
CREATE TABLE IF NOT EXISTS contexts (hash BLOB PRIMARY KEY, messages BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS replies (
    key BLOB PRIMARY KEY,     -- SHA-256 of the request
    outcome TEXT NOT NULL,
    reply BLOB NOT NULL,      -- JSON: text, prompt tokens, completion tokens, engine, detail
    checksum BLOB NOT NULL,   -- over the columns above
    request BLOB NOT NULL     -- the canonical encoding: its SHA-256 is the key
);
CREATE TABLE IF NOT EXISTS runs (
    stage TEXT NOT NULL, model TEXT NOT NULL, revision TEXT NOT NULL, engine TEXT NOT NULL,
    requests INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    seconds REAL NOT NULL
);
"""
_INSERT = """
INSERT INTO replies (key, outcome, reply, checksum, request) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET
    outcome = excluded.outcome, reply = excluded.reply, checksum = excluded.checksum
WHERE replies.outcome = 'failed'
"""


_KEEP = """
INSERT INTO contexts VALUES (?, ?)
ON CONFLICT (hash) DO UPDATE SET messages = excluded.messages
WHERE contexts.messages <> excluded.messages
"""
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@dataclass(frozen=True, slots=True)
class Record:
    """One request with its reply, as recorded."""

    key: str
    request: bytes
    """the canonical encoding of the request, see `Request.encoding`"""
    completion: Completion


@dataclass(frozen=True, slots=True)
class Run:
    """What a stage asked in one run: the figures that the next plan is made from."""

    stage: str
    model: str
    revision: str
    engine: str
    requests: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float


class Ledger:
    """Replies by request key. Safe for several processes; survives kill -9.

    Use as a context manager. A record that is damaged on disk is never served: it is taken out,
    counts in `damaged`, and reads as missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged = 0
        self._kept_contexts: set[str] = set()
        self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            db.text_factory = bytes  # a damaged text need not be UTF-8
            # Whatever was committed survives the end of this process, however it comes; only a
            # loss of power can take the last commits, and it leaves the file sound.
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            # Keys are hashes, so look-ups go all over the file: with 32 MiB of pages in memory
            # instead of 2, 84,000 of them take two thirds of the time.
            db.execute("PRAGMA cache_size = -32768")
            (found,) = db.execute("PRAGMA user_version").fetchone()
            (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if tables and found != FORMAT:
                raise BuildError(
                    f"{self.path}: the ledger has format {found}, and this version reads {FORMAT}. "
                    "Move it away, and import the exported ledgers that you want to keep."
                )
            if not tables:
                db.executescript(f"{TABLES} PRAGMA user_version = {FORMAT};")
        except (OSError, sqlite3.Error) as error:
            raise BuildError(
                f"{self.path}: the ledger cannot be opened ({error}). Make its folder writable, or "
                "name another file in the environment variable SEQSMITH_LEDGER."
            ) from error
        return db

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.close()

    def record(self, arrived: Sequence[tuple[Request, Completion]]) -> dict[str, Completion]:
        """Write replies, in one transaction; gives what the ledger now holds for each.

        That is the reply that was written first: another process may have asked the same. Only a
        failure is replaced.
        """
        held = {request.key: completion for request, completion in arrived}
        written = self.adopt(
            [Record(request.key, request.encoding, completion) for request, completion in arrived],
            dict(request.context for request, _ in arrived),
        )
        return held if written == len(held) else held | self.get(list(held))

    def adopt(self, records: Sequence[Record], contexts: Mapping[str, bytes]) -> int:
        """Write records with the contexts, by hash, that they name; how many were new."""
        rows = []
        for record in records:
            key, reply = bytes.fromhex(record.key), _encode(record.completion)
            outcome = record.completion.outcome
            rows.append(
                (key, outcome, reply, checksum(key, outcome.encode(), reply), record.request)
            )
        self.keep_contexts(contexts)
        return self._write(_INSERT, rows)

    def keep_contexts(self, contexts: Mapping[str, bytes]) -> None:
        """Make sure that contexts, by hash, are there and whole: records only name them."""
        new = {hash: text for hash, text in contexts.items() if hash not in self._kept_contexts}
        if new:
            self._write(_KEEP, [(bytes.fromhex(hash), text) for hash, text in new.items()])
            self._kept_contexts.update(new)

    def get(self, keys: Sequence[str]) -> dict[str, Completion]:
        """The recorded replies among `keys`, failures too; absent keys are absent."""
        rows = self._sound("key, outcome, reply, checksum", keys)
        return {key.hex(): _decode(outcome, reply) for key, outcome, reply, _ in rows}

    def records(self, keys: Sequence[str]) -> Iterator[Record]:
        """The recorded replies among `keys` with their requests, sorted by key."""
        columns = "key, outcome, reply, checksum, request"
        for key, outcome, reply, _, request in self._sound(columns, sorted(keys)):
            if hashlib.sha256(request).digest() == key:
                yield Record(key.hex(), request, _decode(outcome, reply))
            else:
                self._take_out([key])

    def context(self, hash: str) -> str:
        """All messages but the last of a request, as JSON: `[[role, content, [image hash]]]`."""
        found = self._db.execute(
            "SELECT messages FROM contexts WHERE hash = ?", (bytes.fromhex(hash),)
        ).fetchone()
        if found is None or hashlib.sha256(found[0]).hexdigest() != hash:
            raise BuildError(
                f"{self.path}: the messages {hash[:16]}... that requests begin with are damaged. "
                "Import an exported ledger that holds them, or move the ledger away."
            )
        return found[0].decode()

    def add_run(self, run: Run) -> None:
        """Keep the figures of a run."""
        figures = tuple(getattr(run, name) for name in Run.__dataclass_fields__)
        self._write("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [figures])

    def runs(self, model: str, revision: str) -> list[Run]:
        """The runs that asked a model something, oldest first."""
        found = self._db.execute(
            "SELECT stage, engine, requests, prompt_tokens, completion_tokens, seconds FROM runs "
            "WHERE model = ? AND revision = ? ORDER BY rowid",
            (model, revision),
        )
        return [
            Run(stage.decode(), model, revision, engine.decode(), *figures)
            for stage, engine, *figures in found
        ]

    def _sound(self, columns: str, keys: Sequence[str]) -> Iterator[tuple[bytes, ...]]:
        """`columns` of the sound records of `keys`, looked up in batches and sorted within each.

        They begin with key, outcome, reply, checksum.
        """
        for start in range(0, len(keys), _LOOKUP):
            batch = [bytes.fromhex(key) for key in keys[start : start + _LOOKUP]]
            query = (
                f"SELECT {columns} FROM replies "  # noqa: S608 - our own column names
                f"WHERE key IN ({','.join('?' * len(batch))}) ORDER BY key"
            )
            rows = self._select(query, batch)
            sound = [row for row in rows if checksum(row[0], row[1], row[2]) == row[3]]
            yield from sound
            if len(sound) < len(rows):
                self._take_out({row[0] for row in rows} - {row[0] for row in sound})

    def _take_out(self, keys: Collection[bytes]) -> None:
        self.damaged += len(keys)
        self._write("DELETE FROM replies WHERE key = ?", [(key,) for key in keys])

    def _select(self, query: str, values: Sequence[bytes]) -> list[tuple[bytes, ...]]:
        try:
            return self._salvaging(lambda: self._db.execute(query, values).fetchall())
        except sqlite3.Error as error:
            raise BuildError(
                f"{self.path}: the ledger cannot be read ({error}). Run the stage again when it "
                "can; nothing already written is lost."
            ) from error

    def _write(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> int:
        """Run a statement for each of `rows`, all or none; how many records it changed."""
        try:
            return self._salvaging(lambda: self._in_transaction(statement, rows))
        except sqlite3.Error as error:
            raise BuildError(
                f"{self.path}: the ledger cannot be written ({error}). "
                "Free some space, then run the stage again: nothing already written is lost."
            ) from error

    def _in_transaction(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> int:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            changed = self._db.executemany(statement, rows).rowcount
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return changed

    def _salvaging(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, done again on what can still be read when the file is damaged."""
        try:
            return work()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF not in _CORRUPT:
                raise
        self._db.close()
        self.damaged += salvage(self.path, TABLES, FORMAT)
        self._kept_contexts = set()
        self._db = self._open()
        return work()


def checksum(key: bytes, outcome: bytes, reply: bytes) -> bytes:
    """What a sound record holds in its `checksum`."""
    return hashlib.sha256(b"\0".join((key, outcome, reply))).digest()


def _encode(completion: Completion) -> bytes:
    return orjson.dumps(
        [
            completion.text,
            completion.prompt_tokens,
            completion.completion_tokens,
            completion.engine,
            completion.detail,
        ]
    )


def _decode(outcome: bytes, reply: bytes) -> Completion:
    text, prompt_tokens, completion_tokens, engine, detail = orjson.loads(reply)
    known = cast(Outcome, outcome.decode())  # it is under the checksum
    return Completion(text, known, prompt_tokens, completion_tokens, engine, detail)
