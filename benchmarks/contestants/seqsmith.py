"""Ours: rows through the respond step, the `openai` engine and a durable ledger."""

import tempfile
from pathlib import Path

from benchmarks.contestants import IN_FLIGHT, MODEL, SAMPLING, question, run
from stages.config.command import collect_seldom
from stages.config.settings import Server
from stages.llm.client import Client
from stages.llm.engines.openai import OpenAIEngine
from stages.llm.ledger import Ledger
from stages.llm.progress import StageProgress
from stages.llm.request import ModelId, SamplingParams
from stages.methods.respond import respond
from stages.rows.row import Origin, Row, row_id


def ask(url: str, rows: int) -> int:
    collect_seldom()
    server = Server(
        url=url,
        key_variable="",
        concurrency=IN_FLIGHT,
        requests_per_minute=None,
        timeout=60.0,
        patience=60.0,
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        Ledger(Path(folder) / "ledger.sqlite") as ledger,
        StageProgress("overhead", rows) as progress,
        Client(
            OpenAIEngine(ModelId(MODEL, "1"), server),
            ledger,
            SamplingParams(**SAMPLING, top_k=50),
            attempts=3,
            progress=progress,
        ) as client,
    ):
        answered = client.map(lambda row: respond(row, client), map(make_row, range(rows)))
        return sum(isinstance(row, Row) and row.output != "" for row in answered)


def make_row(number: int) -> Row:
    text = question(number)
    return Row(row_id("loop", text, "", ""), text, "", "", "loop", Origin("loop", "1", number))


if __name__ == "__main__":
    run(ask)
