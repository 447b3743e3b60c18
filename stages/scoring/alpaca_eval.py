"""AlpacaEval 2, length-controlled, through the `alpaca_eval` package, which is an extra.

The package runs in a process of its own: it sets the root logger, reads keys from the environment
as it is imported and keeps caches in its own folder. What it would fetch from the Hub, at whatever
revision, is handed to it as files.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from stages.config.errors import BuildError
from stages.config.paths import ledger_file
from stages.config.settings import Server, Settings
from stages.scoring.marks import Marked, Points
from stages.sources.files import read_json

RUNNER = "stages.scoring.alpaca_eval_run"
_REPO = "tatsu-lab/alpaca_eval"
_LAST_LINES = 5  # of what the package said before it failed


@dataclass(frozen=True, slots=True)
class Material:
    """Two files of the dataset tatsu-lab/alpaca_eval, at a pinned revision."""

    baseline: Path
    """alpaca_eval_gpt4_baseline.json: what the model is compared with"""
    difficulty: Path
    """df_gamed.csv: how hard each instruction is, by its position in the baseline"""


def fetch_material(revision: str) -> Material:
    """The two files from the Hub. Raises BuildError when they cannot be had."""
    # Imported here because it takes half a second.
    from httpx2 import HTTPError  # noqa: PLC0415
    from huggingface_hub import hf_hub_download  # noqa: PLC0415

    try:
        baseline, difficulty = (
            Path(hf_hub_download(_REPO, name, repo_type="dataset", revision=revision))
            for name in ("alpaca_eval_gpt4_baseline.json", "df_gamed.csv")
        )
    except (HTTPError, OSError) as error:
        raise BuildError(
            f"evaluation.alpaca_eval: the baseline of {_REPO} at revision '{revision}' cannot be "
            f"loaded from the Hub ({type(error).__name__}). Check the revision and the connection."
        ) from error
    return Material(baseline, difficulty)


@dataclass(frozen=True, slots=True)
class Annotator:
    """The model that prefers one of two answers. Its server must give log-probabilities."""

    model: str
    server: Server
    cache: Path
    """its preferences so far: what is in there is not asked again"""


def run_alpaca_eval(
    settings: Settings, answers: Sequence[Marked]
) -> tuple[list[Marked], dict[str, Any]]:
    """`compare_with_baseline`, as the profile says: its judge, its revision of the baseline."""
    judge, runtime = settings.judge
    chosen = settings.profile.evaluation.alpaca_eval
    assert chosen and runtime.openai  # checked with the settings
    annotator = Annotator(judge.name, runtime.openai, ledger_file().with_name("alpaca_eval.json"))
    return compare_with_baseline(answers, fetch_material(chosen.revision), annotator)


def compare_with_baseline(
    answers: Sequence[Marked], material: Material, annotator: Annotator
) -> tuple[list[Marked], dict[str, Any]]:
    """The answers with `win` and `win_lc`, the share that is preferred to the baseline's answer,
    plain and with length controlled; and the package's own figures, as shares of 1.

    An answer that the model failed to give loses. One that the annotator failed to judge has no
    marks, and is counted. Raises BuildError without the package, or where it fails.
    """
    if find_spec("alpaca_eval") is None:
        raise BuildError(
            "AlpacaEval 2 needs the alpaca_eval package, which is an extra: "
            "pip install 'seqsmith[alpaca-eval]'. Without it, take alpaca-eval out of 'scores' in "
            "params.yaml."
        )
    outputs = _align(answers, material.baseline)
    with tempfile.TemporaryDirectory(prefix="alpaca-eval-") as name:
        folder = Path(name)
        task = {
            "model": annotator.model,
            "outputs": outputs,
            "baseline": str(material.baseline.resolve()),
            "difficulty": str(material.difficulty.resolve()),
            "cache": str(annotator.cache.resolve()),
        }
        (folder / "task.json").write_text(json.dumps(task), "utf-8")
        annotator.cache.parent.mkdir(parents=True, exist_ok=True)
        _run(folder, annotator.server)
        found = json.loads((folder / "result.json").read_text("utf-8"))
    plain, controlled = found["preferences"], found["controlled"]
    marked = [
        replace(one, marks={**one.marks, **_marks(plain[row], controlled[row])})
        for row, one in enumerate(answers)
    ]
    return marked, {
        "judge": annotator.model,
        "baseline": found["generator"],
        "items": len(answers),
        "unanswered": sum(not one["output"] for one in outputs),
        "unjudged": plain.count(None),
        **found["figures"],
    }


def _align(answers: Sequence[Marked], baseline: Path) -> list[dict[str, Any]]:
    """Our answers in the package's format, each with the position of its instruction."""
    records = read_json(baseline)
    if not isinstance(records, list) or not all(
        isinstance(one, dict) and isinstance(one.get("instruction"), str) for one in records
    ):
        raise BuildError(f"{baseline}: expected an array of objects with an 'instruction'.")
    positions = {_plain(one["instruction"]): row for row, one in enumerate(records)}
    strange = [one for one in answers if _plain(one.prompt) not in positions]
    if strange:
        raise BuildError(
            f"{baseline}: {len(strange):,} of {len(answers):,} questions are not in the baseline, "
            f"the first is {strange[0].id}. Length control is defined for AlpacaEval's own "
            "instructions alone."
        )
    return [
        {
            "position": positions[_plain(one.prompt)],
            "instruction": records[positions[_plain(one.prompt)]]["instruction"],
            "output": one.answer if one.outcome == "answered" and one.answer.strip() else "",
        }
        for one in answers
    ]


def _plain(text: str) -> str:
    return " ".join(text.split())


def _marks(plain: float | None, controlled: float | None) -> dict[str, Points]:
    if plain is None or controlled is None:
        return {}
    return {"win": Points(plain), "win_lc": Points(controlled)}


def _run(folder: Path, server: Server) -> None:
    key = os.environ.get(server.key_variable, "") if server.key_variable else ""
    environment = {
        **os.environ,
        "OPENAI_API_KEY": key or "none",
        "OPENAI_API_BASE": server.url,
        "OPENAI_CLIENT_CONFIG_PATH": str(folder / "none.yaml"),
        "OPENAI_MAX_CONCURRENCY": str(server.concurrency),
        "HF_HUB_OFFLINE": "1",
        "IS_ALPACA_EVAL_2": "True",
    }
    environment.pop("OPENAI_API_KEYS", None)
    environment.pop("OPENAI_ORGANIZATION_IDS", None)
    done = subprocess.run(  # noqa: S603 - our own module, no shell
        [sys.executable, "-m", RUNNER, str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        said = "\n".join(done.stderr.strip().splitlines()[-_LAST_LINES:])
        said = said.replace(key, "***") if key else said
        raise BuildError(f"alpaca_eval failed (exit code {done.returncode}):\n{said}")
