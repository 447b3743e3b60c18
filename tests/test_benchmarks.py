"""The benchmarks run and print what they compare; how fast anything is, no test can say."""

import re
import resource
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.measure import cost
from benchmarks.overhead import find_peers, ratios
from benchmarks.project import asked
from stages.config.errors import BuildError
from tests.conftest import ROOT

RATIO = r"-?\d+\.\d\dx"


def run(name: str, *options: str) -> str:
    """What `python -m benchmarks.NAME` prints."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def line(printed: str, name: str) -> str:
    (found,) = (line for line in printed.splitlines() if re.match(rf"{name}\b", line))
    return found


def test_cost_counts_processor_time_and_memory_of_a_child_of_the_command(tmp_path: Path) -> None:
    size = 1_024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + 100_000_000
    child = f"data = bytearray({size}); print(sum(range(3_000_000)))"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    spent = cost([sys.executable, "-c", parent], tmp_path)
    idle = cost([sys.executable, "-c", "pass"], tmp_path)
    assert spent.peak > size > idle.peak
    assert spent.cpu > 2 * idle.cpu
    assert spent.said.strip() == str(sum(range(3_000_000)))


def test_cost_of_a_command_that_fails_is_an_error_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="ended with 3:\nno luck"):
        cost([sys.executable, "-c", "print('no luck'); raise SystemExit(3)"], tmp_path)


def test_requests_asked_are_read_from_the_closing_line() -> None:
    assert asked("respond x: 6,000 rows, 12,345 requests asked, 7 served from the ledger") == 12_345
    assert asked("alpaca: 6,000 rows from world") == 0


def test_ratio_is_taken_within_a_turn() -> None:
    assert ratios({"bare": [1.0, 4.0], "seqsmith": [2.0, 4.0]})["seqsmith"] == [2.0, 1.0]


def test_peers_that_are_not_installed_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert find_peers([sys.executable]) == {}
    assert "distilabel left out: not installed" in capsys.readouterr().err


@pytest.mark.pipeline
def test_overhead_prints_a_ratio_for_each_contestant() -> None:
    printed = run("overhead", "--rows", "40", "80", "--repeats", "1")
    assert "1.00x" in line(printed, "bare")
    assert re.search(RATIO, line(printed, "seqsmith"))
    assert re.search(RATIO, line(printed, "seqsmith_stage"))


@pytest.mark.pipeline
def test_replay_prints_each_stage_and_the_whole() -> None:
    printed = run("replay", "--rows", "100")
    assert printed.startswith("100 rows\n")
    for stage in ("sequence alpaca-1", "sequence alpaca-2", "respond alpaca-sit", "whole"):
        assert re.search(RATIO, line(printed, stage))


@pytest.mark.pipeline
def test_replay_takes_a_file_of_rows(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text('[{"instruction": "Name a fruit.", "input": "", "output": "A plum."}]', "utf-8")
    assert run("replay", str(file)).startswith("1 rows\n")


@pytest.mark.pipeline
def test_memory_prints_a_ratio_for_each_stage() -> None:
    printed = run("memory", "--rows", "100")
    assert "1,000 rows" in printed
    for stage in ("fetch", "sequence alpaca-2", "respond", "validate", "package"):
        assert re.search(RATIO, line(printed, stage))


@pytest.mark.pipeline
@pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")
def test_vllm_prints_a_ratio_and_the_answers_are_those_of_the_bare_call() -> None:
    printed = run("vllm", "--prompts", "8", "--tokens", "8", "--repeats", "1")
    assert re.search(r"ratio \d+\.\d{3}", printed)
    assert "8 of 8 answers are the same" in printed
