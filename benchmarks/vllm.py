"""Tokens a second of our vLLM path over one bare `LLM.chat` call on the same prompts.

Ours is the whole path: requests, keys, a durable ledger and the `vllm` engine. The bare call gets
the same engine arguments and the same sampling parameters, seeds included. Both models stay loaded
in this process, and each turn asks both the same new prompts, one after the other. Without --model
it is the tiny model of the repository: the smaller the model, the more our own work weighs.

Example: python -m benchmarks.vllm --model path/to/a/chat/model
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from transformers import AutoConfig, AutoTokenizer

from benchmarks.measure import ROOT, run
from stages.config.settings import Vllm
from stages.llm.client import Client, Step
from stages.llm.engines.vllm import VllmEngine, set_environment
from stages.llm.ledger import Ledger
from stages.llm.progress import StageProgress
from stages.llm.request import Message, ModelId, Prompt, Request, SamplingParams
from stages.models.chat import read_template
from stages.world.rows import DRAW

OPTIONS = Vllm(tensor_parallel=1, memory=0.4, context=None)
ASK: Step[str, str] = Step(
    "ask", lambda text: Prompt((Message("user", text),)), lambda text, reply: reply
)


def main() -> None:
    against_bare(__doc__, "--prompts", 512, "in each turn", compare)


def against_bare(
    description: str | None, unit: str, many: int, said: str, compare: Callable[..., None]
) -> None:
    """Read the options, of which `unit` is how much is asked, and call `compare` with them.

    It gets the model, a folder of its own, how much is asked, tokens and repeats.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="a folder; default: the tiny model, with a chat template")
    parser.add_argument(unit, type=int, default=many, metavar="N", dest="asked", help=said)
    parser.add_argument("--tokens", type=int, default=64, help="at most, of an answer")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if find_spec("vllm") is None:
        print("skipped: vLLM is not installed; `make engines` installs it")
        return
    with tempfile.TemporaryDirectory() as folder:
        model = options.model or str(make_tiny(Path(folder) / "tiny"))
        compare(model, Path(folder), options.asked, options.tokens, options.repeats)


def compare(model: str, folder: Path, prompts: int, longest: int, repeats: int) -> None:
    sampling = SamplingParams(1.0, 0.9, 50, longest)
    engine = VllmEngine(model, "", OPTIONS)
    records = DRAW["alpaca"]("benchmark")
    rates: dict[str, list[float]] = {"bare": [], "ours": []}
    same = 0
    with (
        Ledger(folder / "ledger.sqlite") as ledger,
        StageProgress("benchmark", prompts * repeats) as progress,
        Client(engine, ledger, sampling, 1, progress) as client,
    ):
        bare = load_bare(model)
        for turn in range(repeats + 1):
            texts = [f"{row['instruction']}\n\n{row['input']}" for row in islice(records, prompts)]
            chats = [[{"role": "user", "content": text}] for text in texts]
            drawn = [bare_sampling(engine.model, text, sampling) for text in texts]

            began, before = time.perf_counter(), progress.asked.completion_tokens
            answers = list(client.map(lambda text: client.ask(text, ASK), texts))
            ours = (progress.asked.completion_tokens - before) / (time.perf_counter() - began)

            began = time.perf_counter()
            outputs = [output.outputs[0] for output in bare.chat(chats, drawn, use_tqdm=False)]
            tokens = sum(len(output.token_ids) for output in outputs)
            floor = tokens / (time.perf_counter() - began)

            if turn:  # the first loads the model and warms up
                rates["ours"].append(ours)
                rates["bare"].append(floor)
                # vLLM's own decoding may leave a space in front.
                same += sum(
                    answer.reply.strip() == output.text.strip()
                    for answer, output in zip(answers, outputs, strict=True)
                )
    show(rates)
    print(f"{same:,} of {prompts * repeats:,} answers are the same")


def show(rates: dict[str, list[float]]) -> None:
    """Tokens a second of `ours` and `bare`, turn by turn, and their ratio within a turn."""
    ratios = [ours / floor for ours, floor in zip(rates["ours"], rates["bare"], strict=True)]
    print(f"{'':8} {'tokens/s':>9} {'min':>8} {'max':>8}")
    for name, found in rates.items():
        print(f"{name:8} {median(found):9,.0f} {min(found):8,.0f} {max(found):8,.0f}")
    print(f"ratio {median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


def load_bare(model: str) -> Any:
    """vLLM itself, with the arguments that our engine gives it."""
    set_environment()
    from vllm import LLM  # noqa: PLC0415 - optional, and it reads the environment

    from stages.llm.engines.vllm_batch import engine_arguments  # noqa: PLC0415 - imports vLLM

    dtype = AutoConfig.from_pretrained(model).dtype
    return LLM.from_engine_args(engine_arguments(model, None, dtype, OPTIONS))


def bare_sampling(model: ModelId, text: str, sampling: SamplingParams) -> Any:
    """The sampling parameters that our engine draws the same answer with."""
    from vllm import SamplingParams as Bare  # noqa: PLC0415 - optional

    prompt = Prompt((Message("user", text),))
    seed = Request(model.name, model.revision, prompt, sampling).seed
    return Bare(**asdict(sampling), seed=seed)


def make_tiny(folder: Path) -> Path:
    """The tiny model of the repository with the chat template that a fine-tune gives it."""
    shutil.copytree(ROOT / "base" / "tiny", folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = read_template("tulu")
    tokenizer.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    run(main)
