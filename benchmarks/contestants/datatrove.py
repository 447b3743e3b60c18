"""datatrove: inference against an endpoint, documents to Parquet, no checkpoints."""

from typing import Any

from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
from datatrove.pipeline.writers import ParquetWriter

from benchmarks.contestants import IN_FLIGHT, MODEL, SAMPLING, count_rows, question, run


def ask(url: str, rows: int, **checkpoints: Any) -> int:
    config = InferenceConfig(
        server_type="endpoint",
        endpoint_url=url.removesuffix("/v1"),
        model_name_or_path=MODEL,
        max_concurrent_generations=IN_FLIGHT,
        default_generation_params=SAMPLING,
    )
    writer = ParquetWriter("out", "${rank}_${chunk_index}.parquet")
    LocalPipelineExecutor(
        pipeline=[
            [Document(text=question(number), id=str(number)) for number in range(rows)],
            InferenceRunner(_answer, config, writer, **checkpoints),
        ],
        logging_dir="logs",
        tasks=1,
    ).run()
    return count_rows("out")


async def _answer(document: Document, generate: Any) -> str:
    reply = await generate({"messages": [{"role": "user", "content": document.text}]})
    return reply.text


if __name__ == "__main__":
    run(ask)
