"""SeqEval: prompts that grow by one task for each of one to four iterations (paper, section 2.4).

Which way they grow is drawn, not chosen by a model, and no prompt holds. How many tasks a finished
prompt asks for is not taken from the number of its iterations: the model lists them.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import orjson

from stages.llm.client import Answer, Client, Step, Unusable
from stages.llm.prompts import FewShot
from stages.llm.request import Prompt
from stages.methods import seq_instruct
from stages.methods.seq_instruct import Chosen
from stages.rows.quarantine import Quarantined
from stages.rows.row import Row, to_record
from stages.testsets.item import Item

_FIRST = ("decompose", "prefix", "suffix")
_LATER = ("prefix", "suffix")
_GROW = {option: FewShot(f"seqeval/{option}") for option in _FIRST}
_LIST = FewShot("seqeval/sub_tasks")
_QUOTES = " \n\"'`»”’"
_LINE = re.compile(r"[\s*_]*(\d+)[.)][\s*_]+(\S.*)")


def _render_growth(chosen: Chosen) -> Prompt:
    row = chosen.row
    return _GROW[chosen.option].render(instruction=row.instruction, input=row.input)


def _parse_growth(chosen: Chosen, reply: str) -> str:
    """The new prompt: all that a rewrite of Seq-Instruct must be, whole, and longer where it grew.

    A prompt may begin with a quotation on a line of its own, at whose end a reader of rewrites may
    take the rest for an explanation; here the mark at the end says where the prompt ends.
    """
    rewrite = seq_instruct.REWRITE.parse(chosen, reply)
    body, end, _ = reply.rpartition("###")
    if not end or not body.rstrip(_QUOTES).endswith(rewrite.rstrip(_QUOTES)):
        raise Unusable("no-end")
    words = len(rewrite.split())
    if chosen.option != "decompose" and words <= len(chosen.row.instruction.split()):
        raise Unusable("not-longer")
    return rewrite


def _parse_list(row: Row, reply: str) -> tuple[str, ...]:
    """The numbered lines, all of the reply. A prompt that has grown asks for two things or more."""
    lines = [_LINE.fullmatch(line) for line in reply.splitlines() if line.strip()]
    found = [line for line in lines if line]
    if len(found) != len(lines) or [int(line[1]) for line in found] != [*range(1, len(lines) + 1)]:
        raise Unusable("no-list")
    if len(found) < 2:
        raise Unusable("one-task")
    return tuple(line[2].strip() for line in found)


GROW: Step[Chosen, str] = Step("grow", _render_growth, _parse_growth)
SUB_TASKS: Step[Row, tuple[str, ...]] = Step(
    "sub-tasks",
    lambda row: _LIST.render(instruction=row.instruction, input=row.input),
    _parse_list,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """After which iteration each prompt stops, and which way it grows in each of them."""

    stops: Mapping[str, int]
    seed: int

    def options(self, id: str) -> list[str]:
        """Uniform over three ways in the first iteration, over two in later ones."""
        return [
            (options := _FIRST if iteration == 1 else _LATER)[
                _draw(self.seed, id, f"iteration {iteration}") % len(options)
            ]
            for iteration in range(1, self.stops[id] + 1)
        ]


def plan(ids: Iterable[str], mix: Sequence[float], seed: int) -> Plan:
    """Each prompt once; after iteration k stops the share `mix[k - 1]` of them, to the nearest one.

    Prompts are ranked by hash: one more moves no other, but for those at the borders of shares.
    """
    ranked = sorted(ids, key=lambda id: _draw(seed, id, "stop"))
    borders = [round(share * len(ranked)) for share in accumulate(mix)]
    stops = {
        id: next(number for number, border in enumerate(borders, 1) if rank < border)
        for rank, id in enumerate(ranked)
    }
    return Plan(stops, seed)


def _draw(seed: int, id: str, purpose: str) -> int:
    return int.from_bytes(hashlib.sha256(f"seqeval {seed} {purpose} {id}".encode()).digest()[:8])


async def lengthen(item: Item, plan: Plan, client: Client) -> Item | Quarantined:
    """The prompt after all its iterations, its tasks listed; in quarantine where one has failed.

    What was asked again as often as the client does and still failed never ships, and no earlier
    form of it does in its place: the shares of the mix would say what is not so.
    """
    row = item.row
    for iteration, option in enumerate(plan.options(row.id), 1):
        answer = await client.ask(Chosen(row, option), GROW)
        if answer.value is None:
            return _quarantine(item, row, f"{option}: {answer.failure}", iteration, answer)
        row = row.after(
            "lengthen",
            "rewritten",
            option=option,
            iteration=iteration,
            requests=answer.requests,
            instruction=answer.value,
            tasks=row.tasks + 1,
        )
    listed = await client.ask(row, SUB_TASKS)
    if listed.value is None:
        return _quarantine(item, row, f"sub-tasks: {listed.failure}", len(row.history), listed)
    row = row.after("lengthen", "listed", requests=listed.requests, tasks=len(listed.value))
    stop = plan.stops[row.id]
    meta = {**item.meta, "iteration": stop, "sub_tasks": list(listed.value)}
    # What answered the first prompt does not answer this one.
    return Item(replace(row, output=""), f"iteration {stop}", meta=meta)


def _quarantine(
    item: Item, row: Row, reason: str, iteration: int, answer: Answer[Any]
) -> Quarantined:
    return Quarantined(
        id=item.row.id,
        stage="lengthen",
        reason=reason,
        detail=f"iteration {iteration}, {len(answer.requests)} attempts",
        row=orjson.dumps(to_record(row)).decode(),
        reply=answer.reply,
    )


def mix(plan: Plan, items: Iterable[Item]) -> dict[str, dict[str, int]]:
    """By iteration: how many prompts were to stop there, and how many are in the test set."""
    planned = Counter(f"iteration {stop}" for stop in plan.stops.values())
    made = Counter(item.group for item in items)
    return {group: {"planned": planned[group], "made": made[group]} for group in sorted(planned)}
