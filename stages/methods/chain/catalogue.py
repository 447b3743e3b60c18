"""The tasks of a source: what each is defined as, what its inputs look like, what it answers."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from stages.config.errors import BuildError
from stages.methods.chain.fit import Demands, demands, fits, kind_of
from stages.methods.chain.split import is_test_input, is_test_pair
from stages.rows.row import Row

_LOOKED_AT = 200  # inputs of a task, for what they have in common
# A task with few answers classifies: what follows it would get next to no input.
_MOST_ANSWERS = 20
_ROWS_PER_ANSWER = 10


@dataclass(frozen=True, slots=True)
class Task:
    """A task of a source."""

    name: str
    definition: str
    demands: Demands
    answers: frozenset[str]
    """all that it ever answers; empty: it answers freely"""
    example: tuple[str, str]
    """an input and its output"""


@dataclass(slots=True)
class _Seen:
    definition: str
    rows: int = 0
    inputs: list[str] = field(default_factory=list)
    outputs: set[str] = field(default_factory=set)
    example: tuple[str, str] = ("", "")


class Catalogue:
    """All tasks of a source. Memory grows with the tasks, by 200 inputs of each."""

    def __init__(self, rows: Iterable[Row]) -> None:
        seen: dict[str, _Seen] = {}
        for row in rows:
            task = seen.setdefault(task_of(row), _Seen(row.instruction))
            task.rows += 1
            if len(task.inputs) < _LOOKED_AT:
                task.inputs.append(row.input)
            if len(task.outputs) <= _MOST_ANSWERS:
                task.outputs.add(row.output)
            if task.example == ("", ""):
                task.example = (row.input, row.output)
        self.tasks = {name: _task(name, task) for name, task in sorted(seen.items())}

    def candidates(self, row: Row, chain: list[str], output: str, most: int) -> list[Task]:
        """The tasks that could follow a chain of `row` which ends in `output`, `most` at most.

        They look right, are not in the chain, and their pair with its last task is for the side
        of the row. Their order is that of a hash of row and task. None follow a task that
        classifies. Raises BuildError when a task of the chain is not in the catalogue.
        """
        unknown = [name for name in chain if name not in self.tasks]
        if unknown:
            raise BuildError(
                f"{row.id}: its task '{unknown[0]}' is not in the source that the method reads "
                "besides. Let it read the source that the chains come from."
            )
        last = self.tasks[chain[-1]]
        if last.answers:
            return []
        present = {self.tasks[name].definition for name in chain}
        side = is_test_input(row.input)
        fitting = [
            task
            for task in self.tasks.values()
            if task.definition not in present
            and is_test_pair(last.definition, task.definition) == side
            and fits(output, task.demands)
        ]
        return sorted(fitting, key=lambda task: _order(row, task))[:most]


def task_of(row: Row) -> str:
    """The name of the task that a row of a source belongs to."""
    return row.origin.repo.rpartition("#")[2]


def _task(name: str, seen: _Seen) -> Task:
    is_closed = (
        len(seen.outputs) <= _MOST_ANSWERS
        and seen.rows >= _ROWS_PER_ANSWER * len(seen.outputs)
        and any(kind_of(output) != "number" for output in seen.outputs)
    )
    return Task(
        name,
        seen.definition,
        demands(seen.inputs),
        frozenset(seen.outputs) if is_closed else frozenset(),
        seen.example,
    )


def _order(row: Row, task: Task) -> bytes:
    return hashlib.sha256(f"{row.id.partition('#')[0]}\0{task.name}".encode()).digest()
