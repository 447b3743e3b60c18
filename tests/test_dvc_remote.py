"""A DVC remote: what another machine gets from it; the recipe that proves dvc.lock without it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.quality_tree import keep_alpaca

pytestmark = pytest.mark.pipeline

RECIPE = ROOT / "packaging/ci/lock-is-current.sh"
WORKFLOW = ROOT / "packaging/ci/lock-is-current.yml"
CURRENT = "Data and pipelines are up to date."
STAGES = ("fetch", "sequence", "respond")


def run(folder: Path, *command: str) -> str:
    """Run a command of the environment; what it prints, on both streams."""
    done = attempt(folder, *command)
    assert done.returncode == 0, done.stdout
    return done.stdout


def attempt(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}", "COLUMNS": "100"}
    return subprocess.run(
        command, cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def git(folder: Path, *arguments: str) -> str:
    return run(folder, "git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments)


def write_project(folder: Path) -> None:
    """The repository without all but Alpaca and what rewrites and answers it, forty rows."""
    folder.mkdir()
    listed = run(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard")
    for name in listed.splitlines():
        if (ROOT / name).is_file() and name != "dvc.lock" and not name.startswith("tests/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    params = yaml.safe_load((folder / "params.yaml").read_text("utf-8"))
    profile = yaml.safe_load((folder / "profiles/sample.yaml").read_text("utf-8"))
    keep_alpaca(params, profile)
    profile["sources"]["alpaca"]["rows"] = 40
    graph = yaml.safe_load((folder / "dvc.yaml").read_text("utf-8"))
    graph["stages"] = {name: graph["stages"][name] for name in STAGES}
    for name, content in (
        ("params.yaml", params),
        ("profiles/sample.yaml", profile),
        ("dvc.yaml", graph),
    ):
        (folder / name).write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a project that is built and committed, and the remote that it is pushed to."""
    root = tmp_path_factory.mktemp("shared")
    project = root / "project"
    write_project(project)
    git(project, "init", "-q")
    run(project, "dvc", "remote", "add", "--default", "shelf", str(root / "shelf"))
    run(project, "dvc", "repro")
    git(project, "add", ".")
    git(project, "commit", "-qm", "built")
    run(project, "dvc", "push")
    run(project, "dvc", "push", "--run-cache")
    return root


@pytest.fixture
def clone(shared: Path, tmp_path: Path) -> Iterator[Path]:
    """A fresh clone: no cache, no data, no ledger."""
    git(tmp_path, "clone", "-q", str(shared / "project"), "clone")
    folder = tmp_path / "clone"
    assert not (folder / ".dvc/cache").exists() and not (folder / "data").exists()
    yield folder


def data_of(folder: Path) -> dict[str, bytes]:
    data = folder / "data"
    return {
        str(path.relative_to(data)): path.read_bytes()
        for path in data.rglob("*")
        if path.is_file() and path.name != ".gitignore"
    }


def edit_prompt(folder: Path) -> None:
    prompt = folder / "stages/prompts/seq_instruct/classify.yaml"
    prompt.write_text(prompt.read_text("utf-8") + "# edited\n", "utf-8")


def test_pulled_data_are_those_that_were_built_and_nothing_is_to_do(
    shared: Path, clone: Path
) -> None:
    assert run(clone, str(RECIPE)) == "dvc.lock is current.\n"
    assert CURRENT in run(clone, "dvc", "repro", "--dry", "--allow-missing")
    run(clone, "dvc", "pull")
    assert data_of(clone) == data_of(shared / "project")
    run(clone, "dvc", "status", "--quiet")
    assert not (clone / "ledger").exists()


def test_repro_with_pull_builds_nothing_and_brings_the_data(shared: Path, clone: Path) -> None:
    output = run(clone, "dvc", "repro", "--pull")
    assert "Running stage" not in output
    assert CURRENT in output
    assert data_of(clone) == data_of(shared / "project")
    assert git(clone, "status", "--porcelain") == ""


def test_edited_prompt_makes_the_recipe_fail_and_name_the_stages(clone: Path) -> None:
    edit_prompt(clone)
    done = attempt(clone, str(RECIPE))
    assert done.returncode == 1
    assert "sequence@alpaca-1" in done.stdout
    assert "respond@alpaca-it" not in done.stdout
    assert "error: dvc.lock is not current." in done.stdout


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("stages/respond.py", "", "# edited\n"),
        ("stages/methods/respond.py", "", "# edited\n"),
        ("params.yaml", "attempts: 3", "attempts: 4"),
        ("profiles/sample.yaml", "rows: 40", "rows: 41"),
        ("profiles/sample.yaml", "top_p: 0.9", "top_p: 0.8"),
        ("dvc.yaml", "python -m stages.fetch ${key}", "python -m stages.fetch ${key} more"),
        ("dvc.yaml", "stages:", "stages: ["),
        (
            "params.yaml",
            "  alpaca-sit:\n    reads",
            "  new:\n    reads: sources/alpaca\n  alpaca-sit:\n    reads",
        ),
    ],
)
def test_what_is_stale_makes_the_recipe_fail(file: str, old: str, new: str, clone: Path) -> None:
    path = clone / file
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1) if old else text + new, "utf-8")
    assert attempt(clone, str(RECIPE)).returncode == 1


def test_lock_of_which_a_part_is_of_another_build_makes_the_recipe_fail(clone: Path) -> None:
    lock = clone / "dvc.lock"
    stages = yaml.safe_load(lock.read_text("utf-8"))
    outputs = stages["stages"]["sequence@alpaca-1"]["outs"]
    next(one for one in outputs if one["path"].endswith("alpaca-1.parquet"))["md5"] = "0" * 32
    lock.write_text(yaml.safe_dump(stages), "utf-8")
    done = attempt(clone, str(RECIPE))
    assert done.returncode == 1
    assert "sequence@alpaca-2" in done.stdout
    lock.unlink()
    assert attempt(clone, str(RECIPE)).returncode == 1


def test_change_that_alters_no_stage_leaves_the_lock_current(clone: Path) -> None:
    profile = clone / "profiles/sample.yaml"
    profile.write_text(profile.read_text("utf-8").replace("device: auto", "device: cpu"), "utf-8")
    (clone / "README.md").write_text("Other words.", "utf-8")
    assert run(clone, str(RECIPE)) == "dvc.lock is current.\n"


def test_edited_prompt_with_pull_builds_only_what_follows_it(shared: Path, clone: Path) -> None:
    edit_prompt(clone)
    output = run(clone, "dvc", "repro", "--pull", "--allow-missing")
    ran = re.findall(r"Running stage '(.+)'", output)
    # The comment changes no request, so the rows are the same and nothing after them runs.
    assert ran == ["sequence@alpaca-1", "sequence@alpaca-2"]
    made = data_of(clone)
    before = data_of(shared / "project")
    table = "sample/sequences/alpaca-2.parquet"
    assert made[table] == before[table]


def test_run_cache_in_the_remote_spares_a_clone_without_a_lock_every_run(clone: Path) -> None:
    """No lock of the clone names its outputs; what the remote holds of the run cache does."""
    (clone / "dvc.lock").unlink()
    output = run(clone, "dvc", "repro", "--pull")
    assert "Running stage" not in output
    assert git(clone, "status", "--porcelain") == ""


def test_workflow_runs_the_recipe_with_pinned_actions() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    (job,) = workflow["jobs"].values()
    actions = [step["uses"] for step in job["steps"] if "uses" in step]
    assert actions and all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) for action in actions)
    assert job["steps"][-1]["run"] == RECIPE.relative_to(ROOT).as_posix()
    assert os.access(RECIPE, os.X_OK)
    assert workflow["permissions"] == {"contents": "read"}
