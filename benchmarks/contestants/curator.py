"""Bespoke Curator: one prompt, through its LiteLLM backend."""

import os

from benchmarks.contestants import IN_FLIGHT, MODEL, SAMPLING, question, run

os.environ["TELEMETRY_ENABLED"] = "False"  # read at the import
os.environ["OPENAI_API_KEY"] = "none"  # its test call takes no other

from bespokelabs import curator  # noqa: E402

_NO_LIMIT = 10_000_000  # a minute


class Asker(curator.LLM):
    """Asks the question of a row."""

    def prompt(self, row: dict) -> str:
        return row["question"]

    def parse(self, row: dict, reply: str) -> dict:
        return {**row, "answer": reply}


def ask(url: str, rows: int) -> int:
    asker = Asker(
        model_name=f"openai/{MODEL}",
        backend="litellm",  # its `openai` backend downloads a tokenizer
        generation_params=SAMPLING,
        backend_params={
            "base_url": url,
            "max_concurrent_requests": IN_FLIGHT,
            "max_requests_per_minute": _NO_LIMIT,
            "max_tokens_per_minute": _NO_LIMIT * 1_000,
        },
    )
    data = [{"question": question(number)} for number in range(rows)]
    made = asker(data, working_dir="work").dataset
    return sum(answer is not None for answer in made["answer"])


if __name__ == "__main__":
    run(ask)
