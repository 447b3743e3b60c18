"""distilabel: one text generation step."""

import logging
import os

from benchmarks.contestants import MODEL, SAMPLING, question, run

os.environ["HF_HUB_OFFLINE"] = "1"  # read at the import

from distilabel.models import OpenAILLM  # noqa: E402
from distilabel.pipeline import Pipeline  # noqa: E402
from distilabel.steps import LoadDataFromDicts  # noqa: E402
from distilabel.steps.tasks import TextGeneration  # noqa: E402

# A line for each request on the console, which it does not mean to write: httpx was renamed.
logging.getLogger("httpx2").setLevel(logging.WARNING)

_BATCH = 250  # rows; its requests under way at once


def ask(url: str, rows: int) -> int:
    generation = {
        "temperature": SAMPLING["temperature"],
        "top_p": SAMPLING["top_p"],
        "max_new_tokens": SAMPLING["max_tokens"],
    }
    with Pipeline(name="overhead", cache_dir="cache") as pipeline:
        load = LoadDataFromDicts(
            data=[{"instruction": question(number)} for number in range(rows)], batch_size=_BATCH
        )
        answer = TextGeneration(
            llm=OpenAILLM(model=MODEL, base_url=url, api_key="none", generation_kwargs=generation),
            input_batch_size=_BATCH,
        )
        load >> answer
    made = pipeline.run()["default"]["train"]
    return sum(answer is not None for answer in made["generation"])


if __name__ == "__main__":
    run(ask)
