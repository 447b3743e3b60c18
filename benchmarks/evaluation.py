"""Tokens a second of evaluation over one bare `LLM.chat` call on the same questions.

Ours is what the stage `evaluate` does with a benchmark of the world: items, requests, keys, a
durable ledger, the `vllm` engine, and the marks. The bare call gets the same engine arguments and
the same greedy sampling. Both models stay loaded in this process, and each turn asks both the same
new questions, one after the other. Without --model it is the tiny model of the repository: the
smaller the model, the more our own work weighs.

Example: python -m benchmarks.evaluation --model data/sample/models/alpaca-sit
"""

import time
from pathlib import Path

from benchmarks.measure import run
from benchmarks.vllm import OPTIONS, against_bare, load_bare, show
from stages.config.settings import Benchmark
from stages.llm.client import Client
from stages.llm.engines.vllm import VllmEngine
from stages.llm.ledger import Ledger
from stages.llm.progress import StageProgress
from stages.llm.request import SamplingParams
from stages.scoring.put import put
from stages.testsets.world_chains import draw_items


def main() -> None:
    against_bare(__doc__, "--items", 100, "of each length, in each turn", compare)


def compare(model: str, folder: Path, length: int, tokens: int, repeats: int) -> None:
    engine = VllmEngine(model, "", OPTIONS)
    greedy = SamplingParams(0.0, 1.0, -1, tokens)
    rates: dict[str, list[float]] = {"ours": [], "bare": []}
    same = asked = 0
    with (
        Ledger(folder / "ledger.sqlite") as ledger,
        StageProgress("benchmark", repeats) as progress,
        Client(engine, ledger, greedy, 1, progress) as client,
    ):
        bare = load_bare(model)
        from vllm import SamplingParams as Bare  # noqa: PLC0415 - optional

        for turn in range(repeats + 1):
            benchmark = Benchmark(queries_per_length=length, longest_chain=5, seed=turn)
            items = list(draw_items("world", benchmark))

            began, before = time.perf_counter(), progress.asked.completion_tokens
            marked = put("world", "world", items, [], client)
            ours = (progress.asked.completion_tokens - before) / (time.perf_counter() - began)

            chats = [[{"role": "user", "content": item.row.query}] for item in items]
            began = time.perf_counter()
            outputs = bare.chat(chats, Bare(temperature=0.0, max_tokens=tokens), use_tqdm=False)
            count = sum(len(output.outputs[0].token_ids) for output in outputs)
            floor = count / (time.perf_counter() - began)

            if turn:  # the first loads the model and warms up
                rates["ours"].append(ours)
                rates["bare"].append(floor)
                asked += len(items)
                same += sum(
                    one.answer.strip() == output.outputs[0].text.strip()
                    for one, output in zip(marked, outputs, strict=True)
                )
    show(rates)
    print(f"{same:,} of {asked:,} answers are the same")


if __name__ == "__main__":
    run(main)
