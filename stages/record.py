"""Records replies that were written by hand under the requests that they answer.

Reads NAME/replies.yaml: instructions with every reply for two Seq-Instruct iterations. Writes
beside it NAME.jsonl, the instructions as a source in the shape `alpaca`, and ledger.parquet, the
replies as an exported ledger, which the engine `replay` answers from. Both ship with the
repository. They are made again when the replies, the prompts or the methods have changed.

Example: python -m stages.record showcase
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from stages.config.command import pick, run
from stages.llm.exchange import export_ledger
from stages.llm.ledger import Ledger
from stages.llm.written import Written, read_written, writer
from stages.llm.written import record as record_replies

FOLDERS = {"showcase": Path("showcase")}


def record(name: str) -> None:
    folder = pick("set of written replies", name, FOLDERS)
    rows = read_written(folder / "replies.yaml")

    # A ledger of its own: the one of this machine may hold replies of an earlier wording.
    with TemporaryDirectory() as scratch, Ledger(Path(scratch) / "ledger.sqlite") as ledger:
        keys = record_replies(rows, writer(name, rows), ledger)
        export_ledger(ledger, keys, folder / "ledger.parquet")
    (folder / f"{name}.jsonl").write_bytes(b"".join(_source_row(row) for row in rows))


def _source_row(row: Written) -> bytes:
    columns = {"instruction": row.instruction, "input": row.input, "output": row.answer}
    return orjson.dumps({**columns, "system": row.system}, option=orjson.OPT_APPEND_NEWLINE)


if __name__ == "__main__":
    run(record)
