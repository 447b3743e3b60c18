"""Salvage: what a damaged ledger file still gives moves to a new one."""

import fcntl
import os
import sqlite3
from pathlib import Path

# Ranges of keys that are read one by one: a damaged page costs the ranges that touch it.
_RANGES = 4_096


def salvage(path: Path, tables: str, format: int) -> int:
    """Replace the ledger at `path` by one of all records that can be read; the count of the lost.

    The damaged file stays beside it, as `<name>.damaged`. Records are not judged here: each has a
    checksum that is looked at whenever it is read. When another process was first, nothing is done.
    """
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        old = sqlite3.connect(path, timeout=60, isolation_level=None)
        old.text_factory = bytes
        if _is_sound(old):
            old.close()
            return 0
        partial = path.with_name(f"{path.name}.salvaged")
        partial.unlink(missing_ok=True)
        new = sqlite3.connect(partial, isolation_level=None)
        new.executescript(f"{tables} PRAGMA user_version = {format};")
        lost = sum(_copy(old, new, table) for table in ("contexts", "replies", "runs"))
        new.close()
        old.close()
        os.replace(path, path.with_name(f"{path.name}.damaged"))
        for suffix in ("-wal", "-shm"):  # they belong to the old file
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        os.replace(partial, path)
        return lost


def _is_sound(db: sqlite3.Connection) -> bool:
    try:
        return db.execute("PRAGMA integrity_check(1)").fetchone()[0] == b"ok"
    except sqlite3.DatabaseError:
        return False


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> int:
    """Copy the rows that can be read; how many are lost, as far as that can be told."""
    # The index holds the row numbers too, and the table its own: rarely are both damaged. Then the
    # file's size bounds them, at 128 bytes a row.
    index = "" if table == "runs" else f"INDEXED BY sqlite_autoindex_{table}_1"
    expected = _number(old, f"SELECT count(*) FROM {table} {index}")  # noqa: S608
    size = (_number(old, "PRAGMA page_count") or 0) * (_number(old, "PRAGMA page_size") or 0)
    last = (
        _number(old, f"SELECT max(rowid) FROM {table} NOT INDEXED")  # noqa: S608
        or _number(old, f"SELECT max(rowid) FROM {table} {index}")  # noqa: S608
        or size // 128
    )
    step = max(1, last // _RANGES)
    copied = sum(
        _copy_range(old, new, table, start, start + step) for start in range(1, last + 1, step)
    )
    return max(0, expected - copied) if expected is not None else max(1, last - copied)


def _number(db: sqlite3.Connection, query: str) -> int | None:
    try:
        return db.execute(query).fetchone()[0]
    except sqlite3.DatabaseError:
        return None


def _copy_range(
    old: sqlite3.Connection, new: sqlite3.Connection, table: str, start: int, end: int
) -> int:
    """Copy rows `start` to `end` - 1, halving the range around what cannot be read; how many."""
    query = f"SELECT * FROM {table} NOT INDEXED WHERE rowid >= ? AND rowid < ?"  # noqa: S608
    try:
        rows = old.execute(query, (start, end)).fetchall()
    except sqlite3.DatabaseError:
        if end - start == 1:
            return 0
        middle = (start + end) // 2
        return _copy_range(old, new, table, start, middle) + _copy_range(
            old, new, table, middle, end
        )
    if rows:
        marks = ",".join("?" * len(rows[0]))
        new.execute("BEGIN")
        new.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", rows)  # noqa: S608
        new.execute("COMMIT")
    return len(rows)
