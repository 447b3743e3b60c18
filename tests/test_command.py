"""The command line: help with an example, sentences for mistakes, exit codes."""

import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

STAGES = sorted(path.stem for path in (ROOT / "stages").glob("[a-z]*.py"))
# Stages whose imports take seconds: their help is tried with the pipeline.
HEAVY = {"evaluate", "pretrain", "train", "validate"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True
    )


def check_help(stage: str) -> None:
    done = run(f"stages.{stage}", "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: python -m stages.{stage} NAME")
    assert re.search(rf"^Example: python -m stages.{stage} \S+$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("stage", sorted(set(STAGES) - HEAVY))
def test_stage_help_says_what_it_does_with_an_example(stage: str) -> None:
    check_help(stage)


@pytest.mark.pipeline
@pytest.mark.parametrize("stage", sorted(HEAVY))
def test_heavy_stage_help_says_what_it_does_with_an_example(stage: str) -> None:
    check_help(stage)


@pytest.mark.parametrize(
    ("stage", "name", "hint"),
    [
        ("fetch", "alpacca", "Did you mean 'alpaca'?"),
        ("sequence", "alpaca-3", "Did you mean 'alpaca-"),
        ("respond", "alpaca-set", "Did you mean 'alpaca-sit'?"),
        ("benchmark", "word", "Did you mean 'world'?"),
        ("package", "datasets/alpaca-set", "Did you mean 'datasets/alpaca-sit'?"),
    ],
)
def test_stage_with_an_unknown_name_says_the_nearest(stage: str, name: str, hint: str) -> None:
    done = run(f"stages.{stage}", name)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert hint in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [(), ("alpaca", "more")])
def test_stage_with_too_few_or_many_names_shows_its_usage(arguments: tuple[str, ...]) -> None:
    done = run("stages.fetch", *arguments)
    assert done.returncode == 2
    assert "Usage: python -m stages.fetch NAME" in done.stderr


def test_command_line_lists_its_commands_and_checks_the_settings() -> None:
    shown = run("stages", "--help")
    assert shown.returncode == 0
    assert "check" in shown.stdout
    checked = run("stages", "check")
    assert checked.returncode == 0
    assert "alpaca-sit" in checked.stdout
