"""Data-level ablation: as many tokens of output as another dataset has, if that has fewer."""

from collections.abc import Sequence
from pathlib import Path

from stages.llm.client import Client
from stages.llm.tables import Method
from stages.methods.ablate.lengths import both, left_out, outputs
from stages.quality.facts import CountTokens
from stages.rows.quarantine import Quarantined
from stages.rows.row import Row


def tokens(tables: Sequence[Path], count_tokens: CountTokens) -> Method:
    """Rows are drawn by id until their outputs have the tokens of the smaller of two datasets.

    A row that would go beyond is passed over for the next that fits, so that what is missing in
    the end is less than any row that is left out. The smaller dataset stays whole.
    """
    own, other = both(tables, "tokens")
    mine = sorted(outputs(own, count_tokens))
    missing = min(
        sum(output.tokens for output in mine),
        sum(output.tokens for output in outputs(other, count_tokens)),
    )
    drawn = set()
    for output in mine:
        if output.tokens <= missing:
            missing -= output.tokens
            drawn.add(output.id)

    async def within_the_tokens(row: Row, client: Client) -> Row | Quarantined:
        if row.id in drawn:
            return row.after("ablate", "kept", option="tokens")
        return left_out(row, "beyond the tokens", "The rows drawn before have all the tokens.")

    return within_the_tokens
