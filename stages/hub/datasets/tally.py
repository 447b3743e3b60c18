"""What the rows of a release say about themselves, counted in one pass."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from stages.config.errors import BuildError
from stages.hub.datasets.prompts import Prompts
from stages.rows.row import CHANGING

Origins = defaultdict[str, set[tuple[str, str]]]
"""source -> (repo, revision)"""


@dataclass(slots=True)
class Tally:
    """Counts over records of the row schema."""

    lineage: list[str]
    """the tables that the rows went through"""
    rows: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    origins: Origins = field(default_factory=lambda: defaultdict(set))
    languages: Counter[str] = field(default_factory=Counter)
    tasks: Counter[int] = field(default_factory=Counter)
    outcomes: Counter[tuple[int, str, int, str, str]] = field(default_factory=Counter)
    """(place in the lineage, step, iteration, option, outcome)"""
    requests: set[bytes] = field(default_factory=set)
    """ledger keys that the rows name"""
    upstream: set[str] = field(default_factory=set)
    """ids of the rows of the source that they were made from"""
    example: dict = field(default_factory=dict)
    """the row that most steps have changed, the first of these; empty where there are no rows"""
    changes: int = -1
    """steps that have changed the example"""

    def count(self, records: Iterable[dict]) -> Iterator[dict]:
        """Pass the records on, counted. Raises BuildError for one that missed a step."""
        for record in records:
            self._add(record)
            yield record

    def _add(self, record: dict) -> None:
        self.rows += 1
        self.sources[record["source"]] += 1
        add_origin(self.origins, record)
        self.languages[record["language"]] += 1
        self.tasks[record["tasks"]] += 1
        self.upstream.add(first_id(record["id"]))
        history = record["history"]
        if len(history) != len(self.lineage) - 1:
            raise BuildError(
                f"{self.lineage[-1]}: {record['id']} went through {len(history)} steps, but the "
                f"rows of its source go through {len(self.lineage) - 1}. Build it again: dvc repro."
            )
        for place, event in enumerate(history, 1):
            # Of a chain the option is the name of the task, one of hundreds.
            option = "" if event["step"] == "chain" else event["option"]
            step = place, event["step"], event["iteration"], option, event["outcome"]
            self.outcomes[step] += 1
            self.requests.update(bytes.fromhex(key) for key in event["requests"])
        changes = sum(event["outcome"] in CHANGING for event in history)
        if changes > self.changes:
            self.example, self.changes = record, changes


def add_origin(origins: Origins, record: dict) -> None:
    """Note where a record comes from."""
    origin = record["origin"]
    # Behind a # stands the part of the upstream, such as one task of many.
    origins[record["source"]].add((origin["repo"].partition("#")[0], origin["revision"]))


def first_id(id: str) -> str:
    """The id of the row of the source: one that is one of several goes on behind a #."""
    return id.partition("#")[0]


@dataclass(slots=True)
class LedgerTally:
    """Counts over records of the exported ledger; checks that it holds what the rows name."""

    wanted: set[bytes]
    """keys that must occur; emptied while records pass"""
    models: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(name, revision, sampling as JSON) -> replies"""
    engines: Counter[str] = field(default_factory=Counter)
    """engine facts as JSON -> replies"""
    prompts: Prompts = field(default_factory=Prompts)

    def count(self, records: Iterable[dict]) -> Iterator[dict]:
        """Pass the records on, counted. Raises BuildError when a wanted one did not come."""
        for record in records:
            self.models[record["model"], record["revision"], record["sampling"]] += 1
            self.engines[record["engine"]] += 1
            self.prompts.count(record["context"])
            self.wanted.discard(bytes.fromhex(record["key"]))
            yield record
        if self.wanted:
            raise BuildError(
                f"{len(self.wanted):,} replies that the rows name are in no exported ledger; the "
                f"first is {min(self.wanted).hex()}. Build the tables again, so that rows and "
                "ledgers are of one piece: dvc repro --force."
            )
