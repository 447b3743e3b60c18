"""Puts a benchmark to a model and scores its answers.

Reads the model and the benchmark that the score names in params.yaml, writes
data/<profile>/scores/MODEL/BENCHMARK.json (per group and overall: the share of answers that follow
the whole instruction, of sub-tasks right, and of answers wholly right, with 95 % intervals) and
beside it every answer (.answers.parquet). Answers that are in the ledger are not asked for again.

Example: python -m stages.evaluate alpaca-sit-world
"""

from dataclasses import asdict

from stages.config.command import pick, run
from stages.config.load import load_settings
from stages.config.paths import Paths, ledger_file
from stages.llm.client import Client, Step
from stages.llm.engines.transformers import TransformersEngine
from stages.llm.ledger import Ledger
from stages.llm.progress import StageProgress
from stages.llm.request import Message, Prompt, SamplingParams
from stages.rows.measure import write_metrics
from stages.rows.parquet import read_tables, write_records
from stages.scoring.world import ANSWERS, Query, grade, summarise

ANSWER: Step[Query, str] = Step(
    name="answer",
    render=lambda query: Prompt((Message("user", query.text),)),
    parse=lambda query, reply: reply,
)


def evaluate(name: str) -> None:
    settings = load_settings()
    profile, paths = settings.profile, Paths(settings.build.profile)
    score = pick("score", name, settings.build.scores)
    target = paths.folder("scores", score.model) / f"{score.benchmark}.json"

    queries = [
        Query(**record)
        for batch in read_tables(paths.table(f"benchmarks/{score.benchmark}"))
        for record in batch.to_pylist()
    ]
    model = paths.folder("models", score.model)
    engine = TransformersEngine(
        str(model), "", profile.runtime.device, profile.runtime.generation_batch
    )
    greedy = SamplingParams(
        temperature=0.0, top_p=1.0, top_k=-1, max_tokens=profile.evaluation.max_tokens
    )
    # One attempt: asked again, a greedy model says the same.
    with (
        Ledger(ledger_file()) as ledger,
        StageProgress(f"evaluate {name}", len(queries)) as progress,
        Client(engine, ledger, greedy, attempts=1, progress=progress) as client,
    ):
        answers = list(client.map(lambda query: client.ask(query, ANSWER), queries))
    graded = [
        grade(query, answer.reply, answer.failure or "answered")
        for query, answer in zip(queries, answers, strict=True)
    ]

    write_records(target.with_suffix(".answers.parquet"), ANSWERS, map(asdict, graded))
    seed = profile.benchmarks[score.benchmark].seed
    write_metrics(target, {"model": score.model, **summarise(graded, seed)})


if __name__ == "__main__":
    run(evaluate)
