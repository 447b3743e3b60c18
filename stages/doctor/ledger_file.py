"""The ledger's file: whether it can be written, and is sound as far as a short look tells."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from stages.doctor.amounts import in_bytes
from stages.doctor.finding import Finding
from stages.llm.ledger import FORMAT

_SECONDS = 0.5
"""for the look; a file of 1 GB takes several"""
_STEPS = 10_000  # of SQLite's machine between two looks at the clock


def ledger(path: Path) -> Finding:
    """Whether replies can be recorded at `path`, and are read back."""
    needed = "a file that can be written"
    todo = "Make it writable, or name another one in the environment variable SEQSMITH_LEDGER."
    if not path.exists():
        parent = next(one for one in path.absolute().parents if one.exists())
        if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
            return Finding("ledger", "missing", f"{path} cannot be made", needed, todo)
        return Finding("ledger", "ok", "none yet", needed)
    if not path.is_file():
        return Finding("ledger", "missing", f"{path} is no file", needed, todo)
    # SQLite writes beside the file too.
    if not os.access(path, os.R_OK | os.W_OK) or not os.access(path.parent, os.W_OK):
        return Finding("ledger", "missing", f"{path} cannot be written", needed, todo)
    size = in_bytes(path.stat().st_size)
    try:
        version, complaint, is_whole = _look(path)
    except sqlite3.Error as error:
        complaint, version, is_whole = str(error), FORMAT, True
    if complaint:
        mend = "A build saves what can be read, and asks again for the rest: docs/ledger.md"
        return Finding(
            "ledger", "warning", f"{size}, damaged: {complaint[:100]}", "a sound one", mend
        )
    if version != FORMAT:
        away = "Move it away, and import the exported ledgers that you want to keep."
        found = f"{size}, of format {version}"
        return Finding("ledger", "missing", found, f"format {FORMAT}", away)
    looked = "sound" if is_whole else f"sound as far as {_SECONDS:g} s tell"
    return Finding("ledger", "ok", f"{size}, {looked}", needed)


def _look(path: Path) -> tuple[int, str, bool]:
    """The format, what SQLite has against the file, and whether it came to its end."""
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=_SECONDS)) as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        end = time.monotonic() + _SECONDS
        db.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        try:
            (said,) = db.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                return version, "", False
            raise
    return version, "" if said == "ok" else said.partition("\n")[0], True
