"""AlpacaEval 2 through its package: what it is given, what is read back, what it cannot do."""

import csv
import json
import math
import random
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from stages.config.errors import BuildError
from stages.config.settings import AlpacaEval, Server
from stages.scoring import alpaca_eval
from stages.scoring.alpaca_eval import (
    Annotator,
    Material,
    compare_with_baseline,
    run_alpaca_eval,
)
from stages.scoring.marks import Marked

INSTRUCTIONS = 805
needs_package = pytest.mark.skipif(
    alpaca_eval.find_spec("alpaca_eval") is None or alpaca_eval.find_spec("pkg_resources") is None,
    reason="alpaca_eval is an extra: pip install 'seqsmith[alpaca-eval]'",
)


class Judge(BaseHTTPRequestHandler):
    """Likes the answer that holds the word "gold" nine times as well; else both alike."""

    asked: list[dict] = []
    keys: list[str] = []

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Judge.asked.append(request)
        Judge.keys.append(self.headers["Authorization"])
        text = request["messages"][-1]["content"]
        first, second = re.findall(r'"output": """(.*?)"""', text, re.DOTALL)
        likes = 9 if "gold" in first else 1 / 9 if "gold" in second else 1
        m = likes / (1 + likes)
        logprobs = [
            {"token": token, "bytes": None, "logprob": math.log(share)}
            for token, share in (("m", m), ("M", 1 - m))
        ]
        if "silent" in text:
            logprobs = [{"token": "The", "bytes": None, "logprob": -0.1}]
        content = [{"token": "m", "bytes": None, "logprob": -0.1, "top_logprobs": logprobs}]
        choice = {
            "index": 0,
            "finish_reason": "length",
            "message": {"role": "assistant", "content": "m"},
            "logprobs": {"content": content},
        }
        usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
        body = json.dumps(
            {"id": "1", "object": "chat.completion", "created": 1, "model": "judge",
             "choices": [choice], "usage": usage}
        ).encode()  # fmt: skip
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    Judge.asked, Judge.keys = [], []
    monkeypatch.setenv("JUDGE_KEY", "key-of-the-judge")
    with ThreadingHTTPServer(("127.0.0.1", 0), Judge) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield Server(
            url=f"http://127.0.0.1:{listening.server_port}/v1",
            key_variable="JUDGE_KEY",
            concurrency=4,
            requests_per_minute=None,
            timeout=30,
            patience=30,
        )
        listening.shutdown()


@pytest.fixture
def material(tmp_path: Path) -> Material:
    """A baseline in the package's format, and a table of difficulties in its columns."""
    rng = random.Random(3)
    baseline, difficulty = tmp_path / "baseline.json", tmp_path / "df_gamed.csv"
    baseline.write_text(
        json.dumps(
            [
                {"instruction": f"Do  number {n}.", "output": f"Lead {n} " * rng.randrange(1, 40),
                 "generator": "base"}
                for n in range(INSTRUCTIONS)
            ]
        )
    )  # fmt: skip
    with difficulty.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(
            ["index", "model", "instruction_difficulty", "std_delta_len", "not_gamed_baseline",
             "preference"]
        )  # fmt: skip
        hard = [rng.gauss(0, 1) for _ in range(INSTRUCTIONS)]
        for model, length in (("concise", -1), ("verbose", 1)):
            for n in range(INSTRUCTIONS):
                preference = min(1, max(0, 0.5 + 0.2 * length + rng.gauss(0, 0.1)))
                delta = length + rng.gauss(0, 0.3)
                table.writerow([n, model, hard[n], delta, False, preference])
    return Material(baseline, difficulty)


def answer(number: int, text: str, outcome: str = "answered") -> Marked:
    prompt = f"Do number {number}."
    return Marked(f"a:{number:03}", "koala", 1, prompt, (), text, outcome, {})


@pytest.mark.pipeline
@needs_package
def test_preferred_answers_win_and_those_that_never_came_lose(
    tmp_path: Path, material: Material, server: Server
) -> None:
    rng = random.Random(4)
    # Backwards, and 100 of 805: each must find its own instruction all the same.
    answers = [answer(n, "gold " * rng.randrange(1, 60)) for n in range(99, 19, -1)]
    answers += [answer(n, "tin " * rng.randrange(1, 60)) for n in range(10, 20)]
    answers += [answer(n, "", "failed") for n in range(5, 10)]
    answers += [answer(n, "silent") for n in range(5)]
    annotator = Annotator("judge", server, tmp_path / "cache" / "annotations.json")
    marked, report = compare_with_baseline(answers, material, annotator)

    assert [one.id for one in marked] == [one.id for one in answers]
    assert all(one.marks["win"].got == pytest.approx(0.9) for one in marked[:80])
    assert all(one.marks["win"].got == pytest.approx(0.5) for one in marked[80:90])
    assert all(one.marks["win"].got == 0 for one in marked[90:95])
    assert all(one.marks == {} for one in marked[95:])
    assert (report["unanswered"], report["unjudged"], report["items"]) == (5, 5, 100)
    assert report["win"] == pytest.approx((80 * 0.9 + 10 * 0.5) / 95)
    assert 0.5 < report["win_lc"] < 1 and 0 < report["win_lc_error"] < 0.1
    assert report["baseline"] == "base"

    # The question is the package's, to our model.
    assert len(Judge.asked) == 95 and set(Judge.keys) == {"Bearer key-of-the-judge"}
    request = Judge.asked[0]
    assert (request["model"], request["max_tokens"], request["top_logprobs"]) == ("judge", 1, 5)
    assert "leaderboard" in request["messages"][0]["content"]

    again, figures = compare_with_baseline(answers, material, annotator)
    assert len(Judge.asked) <= 100  # those that could not be judged are asked once more at most
    assert figures == report and again == marked


@pytest.mark.pipeline
@needs_package
def test_a_server_that_is_down_is_a_sentence_without_the_key(
    tmp_path: Path, material: Material, server: Server
) -> None:
    away = server.model_copy(update={"url": "http://127.0.0.1:9/v1"})
    with pytest.raises(BuildError, match="alpaca_eval failed") as error:
        annotator = Annotator("judge", away, tmp_path / "annotations.json")
        compare_with_baseline([answer(1, "gold")], material, annotator)
    assert "key-of-the-judge" not in str(error.value)


def test_the_profile_says_who_annotates_and_against_what(
    tmp_path: Path, material: Material, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQSMITH_LEDGER", str(tmp_path / "ledger.sqlite"))
    monkeypatch.setattr(alpaca_eval, "fetch_material", {"pinned": material}.__getitem__)
    monkeypatch.setattr(alpaca_eval, "compare_with_baseline", lambda *given: given)
    settings = SimpleNamespace(
        judge=(SimpleNamespace(name="gpt"), SimpleNamespace(openai=server)),
        profile=SimpleNamespace(
            evaluation=SimpleNamespace(alpaca_eval=AlpacaEval(revision="pinned"))
        ),
    )
    answers = [answer(1, "gold")]
    annotator = Annotator("gpt", server, tmp_path / "alpaca_eval.json")
    assert run_alpaca_eval(settings, answers) == (answers, material, annotator)


def test_without_the_package_there_is_a_sentence(
    tmp_path: Path, material: Material, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alpaca_eval, "find_spec", lambda name: None)
    with pytest.raises(BuildError, match=r"pip install 'seqsmith\[alpaca-eval\]'"):
        compare_with_baseline([], material, Annotator("judge", server, tmp_path / "a.json"))


def test_questions_that_are_not_alpaca_evals_are_refused(
    tmp_path: Path, material: Material, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alpaca_eval, "find_spec", lambda name: name)
    with pytest.raises(BuildError, match=r"2 of 3 questions are not in the baseline.* a:900"):
        compare_with_baseline(
            [answer(7, "x"), answer(900, "x"), answer(901, "x")],
            material,
            Annotator("judge", server, tmp_path / "a.json"),
        )
