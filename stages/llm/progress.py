"""The progress of a stage that asks a model: rows done, requests asked, replies from the ledger."""

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stages.llm.request import Completion


@dataclass(slots=True)
class Asked:
    """What the model was asked in this run."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    """from the first request to the last reply, starting the engine included"""
    engine: str = ""
    """the engine's name"""


class StageProgress:
    """One live line while the stage runs, one plain line when it is done, both on stderr.

    `dollars` is the price of (a prompt token, a completion token), where the profile knows it.
    """

    def __init__(self, label: str, rows: int, dollars: tuple[float, float] | None = None) -> None:
        self.label, self._rows, self._dollars = label, rows, dollars
        self.asked = Asked()
        self._hits = self._damaged = 0
        self._start = time.monotonic()
        self._first: float | None = None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("rows, {task.fields[counts]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task(label, total=rows, counts=self._counts())

    def __enter__(self) -> "StageProgress":
        self._bar.start()
        return self

    def advance(self, rows: int) -> None:
        """So many more rows are done."""
        if not self._bar.disable:
            self._bar.update(self._task, advance=rows, counts=self._counts())

    def count_hits(self, hits: int, missing: int) -> None:
        """So many replies were in the ledger, and so many requests go to the engine."""
        self._hits += hits
        if missing and self._first is None:
            self._first = time.monotonic()

    def count_asked(self, arrived: Iterable[Completion]) -> None:
        """These replies have come."""
        assert self._first is not None
        asked = self.asked
        for completion in arrived:
            asked.requests += 1
            asked.prompt_tokens += completion.prompt_tokens
            asked.completion_tokens += completion.completion_tokens
            asked.engine = asked.engine or str(orjson.loads(completion.engine).get("engine", ""))
        asked.seconds = time.monotonic() - self._first
        if not self._bar.disable:
            self._bar.update(self._task, counts=self._counts())

    def count_damaged(self, records: int) -> None:
        """So many records of the ledger were damaged on disk, and were asked for again."""
        self._damaged += records

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()
        if self._damaged:
            records = "record" if self._damaged == 1 else "records"
            print(
                f"{self.label}: {self._damaged:,} {records} of the ledger damaged on disk and "
                "taken out; what is needed of them was asked for again",
                file=sys.stderr,
            )
        if kind is None:
            seconds = time.monotonic() - self._start
            print(
                f"{self.label}: {self._rows:,} rows, {self._counts()}, {seconds:.1f} s",
                file=sys.stderr,
            )

    def _counts(self) -> str:
        asked = self.asked
        counts = f"{asked.requests:,} requests asked, {self._hits:,} served from the ledger"
        if asked.seconds > 0:
            counts += f", {asked.completion_tokens / asked.seconds:,.0f} tokens/s"
        if self._dollars:
            prompt, completion = self._dollars
            cost = asked.prompt_tokens * prompt + asked.completion_tokens * completion
            counts += f", ${cost:,.2f}"
        return counts
