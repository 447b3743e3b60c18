"""One Seq-Instruct iteration: every row is classified and rewritten, or held.

Reads what the iteration names in params.yaml (a source, or the iteration before), writes
data/<profile>/sequences/NAME.parquet with as many rows, the replies that made them beside it
(.ledger.parquet) and the counts (.metrics.json).

Example: python -m stages.sequence alpaca-1
"""

from stages.config.command import pick, run
from stages.config.load import load_settings
from stages.llm.client import Client
from stages.llm.tables import make_table
from stages.methods.seq_instruct import iterate
from stages.rows.row import Row


def sequence(name: str) -> None:
    settings = load_settings()
    pick("sequence", name, settings.build.sequences)
    iteration = settings.build.iteration(name)

    async def once_more(row: Row, client: Client) -> Row:
        return await iterate(row, iteration, client)

    make_table(settings, f"sequences/{name}", once_more)


if __name__ == "__main__":
    run(sequence)
