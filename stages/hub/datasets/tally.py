"""What the rows of a release say about themselves, counted in one pass."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from stages.config.errors import BuildError


@dataclass(slots=True)
class Tally:
    """Counts over records of the row schema."""

    rows: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    origins: defaultdict[str, set[tuple[str, str]]] = field(
        default_factory=lambda: defaultdict(set)
    )
    """source -> (repo, revision)"""
    languages: Counter[str] = field(default_factory=Counter)
    tasks: Counter[int] = field(default_factory=Counter)
    outcomes: Counter[tuple[int, str, str]] = field(default_factory=Counter)
    """(iteration, option, outcome) of `sequence`"""
    requests: set[bytes] = field(default_factory=set)
    """ledger keys that the rows name"""
    example: dict | None = None
    """the first row that every iteration rewrote; where there is none, the first row"""
    _example_is_rewritten: bool = False

    def count(self, records: Iterable[dict]) -> Iterator[dict]:
        """Pass the records on, counted."""
        for record in records:
            self._add(record)
            yield record

    def _add(self, record: dict) -> None:
        self.rows += 1
        self.sources[record["source"]] += 1
        origin = record["origin"]
        # Behind a # stands the part of the upstream, such as one task of many.
        repo = origin["repo"].partition("#")[0]
        self.origins[record["source"]].add((repo, origin["revision"]))
        self.languages[record["language"]] += 1
        self.tasks[record["tasks"]] += 1
        iterations = [event for event in record["history"] if event["step"] == "sequence"]
        for event in iterations:
            self.outcomes[event["iteration"], event["option"], event["outcome"]] += 1
        for event in record["history"]:
            self.requests.update(bytes.fromhex(key) for key in event["requests"])
        rewritten = all(event["outcome"] == "rewritten" for event in iterations)
        if self.example is None or (rewritten and not self._example_is_rewritten):
            self.example, self._example_is_rewritten = record, rewritten


@dataclass(slots=True)
class LedgerTally:
    """Counts over records of the exported ledger; checks that it holds what the rows name."""

    wanted: set[bytes]
    """keys that must occur; emptied while records pass"""
    models: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(name, revision, sampling as JSON) -> replies"""
    engines: Counter[str] = field(default_factory=Counter)
    """engine facts as JSON -> replies"""

    def count(self, records: Iterable[dict]) -> Iterator[dict]:
        """Pass the records on, counted. Raises BuildError when a wanted one did not come."""
        for record in records:
            self.models[record["model"], record["revision"], record["sampling"]] += 1
            self.engines[record["engine"]] += 1
            self.wanted.discard(bytes.fromhex(record["key"]))
            yield record
        if self.wanted:
            raise BuildError(
                f"{len(self.wanted):,} replies that the rows name are in no exported ledger; the "
                f"first is {min(self.wanted).hex()}. Build the tables again, so that rows and "
                "ledgers are of one piece: dvc repro --force."
            )
