"""The control: the same chains with outputs that have nothing to do with their tasks."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from stages.llm.client import Client
from stages.llm.tables import Method
from stages.methods.chain.labels import read_outputs, write_outputs
from stages.rows.parquet import read_rows
from stages.rows.quarantine import LEFT_OUT, Quarantined, take_out
from stages.rows.row import Row


def irrelevant(tables: Sequence[Path]) -> Method:
    """The same rows; from the second task on each output is that of another row.

    The first output is right, as in the published control. The others change places within the
    dataset, each place of the chain for itself, so that none stays and none is used twice. Memory
    holds these outputs. A row that would get its own text back is left out: it occurs where more
    than half of the rows have the same.
    """
    places: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
    for row in read_rows(tables[0]):
        for place, output in enumerate(read_outputs(row)[1:], 1):
            places[place].append((output, row.id))
    others = {place: derange(found) for place, found in places.items()}

    async def with_other_outputs(row: Row, client: Client) -> Row | Quarantined:
        if row.tasks == 1:
            return take_out(row, "chain", f"{LEFT_OUT}one task", "The control is of chains.")
        right = read_outputs(row)
        wrong = [right[0], *(others[place][row.id] for place in range(1, len(right)))]
        if any(was == now for was, now in zip(right[1:], wrong[1:], strict=True)):
            detail = "Too many rows of the dataset have the same output at the same place."
            return take_out(row, "chain", f"{LEFT_OUT}no other output", detail)
        return row.after("chain", "irrelevant", output=write_outputs(wrong))

    return with_other_outputs


def derange(texts: Sequence[tuple[str, str]]) -> dict[str, str]:
    """(text, id) -> for each id the text of another id, each text as often as it was there.

    No id gets back the text that it had, unless more than half of all are the same.
    """
    ordered = sorted(texts)
    # Equal texts are neighbours: a step as long as the longest run of them leads out of each run.
    step = max(Counter(text for text, _ in texts).values())
    return {id: ordered[(index + step) % len(ordered)][0] for index, (_, id) in enumerate(ordered)}
