"""dvc.yaml: every stage depends on all that its module imports and all prompts that it reads."""

import ast
import re
from functools import cache, reduce
from operator import getitem
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"]


def body(stage: dict) -> dict:
    return stage.get("do", stage)


@cache
def imports(path: Path) -> frozenset[Path]:
    """The files of this repository that a file imports, at the top or later, and its packages."""
    found: set[Path] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.split(".")[0] == "stages":
                base = ROOT.joinpath(*name.split("."))
                found |= {
                    file
                    for file in (base.with_suffix(".py"), base / "__init__.py")
                    if file.is_file()
                }
    return frozenset(found)


def closure(path: Path) -> set[Path]:
    seen: set[Path] = set()
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            waiting += imports(file)
    # `stages/__init__.py` and the like hold a docstring and nothing else.
    return {file for file in seen if file.name != "__init__.py" or len(file.read_text()) > 200}


def data_of(files: set[Path]) -> set[Path]:
    """The prompts, templates and other files that the modules read, by their names in the code."""
    text = "\n".join(file.read_text("utf-8") for file in files)
    data = (path for path in (ROOT / "stages").rglob("*.*") if path.suffix not in (".py", ".pyc"))
    found = set()
    for path in data:
        names = [f'"{path.name}"']
        if not list(path.parent.glob("*.py")):  # a folder of data, read by its name
            names.append(f'"{path.parent.name}"')
        if "prompts" in path.parts:
            names = [f'"{path.parent.name}/{path.stem}"', f'"{path.parent.name}/{{']
            names.append('rglob("*.yaml")')  # all of them
        if any(name in text for name in names):
            found.add(path)
    return found


@pytest.mark.parametrize("name", STAGES)
def test_stage_depends_on_everything_it_imports_and_every_prompt_it_reads(name: str) -> None:
    stage = body(STAGES[name])
    module = re.match(r"python -m stages\.(\w+)", stage["cmd"])
    assert module, f"{name}: {stage['cmd']!r} does not run a stage module"
    files = closure(ROOT / "stages" / f"{module[1]}.py")
    declared = [ROOT / dep for dep in stage["deps"] if dep.startswith("stages")]
    missing = sorted(
        str(file.relative_to(ROOT))
        for file in files | data_of(files)
        if not any(file == dep or dep in file.parents for dep in declared)
    )
    assert missing == [], f"{name} in dvc.yaml lacks the dependencies {missing}"


@pytest.mark.parametrize("name", STAGES)
def test_stage_dependencies_on_code_exist_and_are_needed(name: str) -> None:
    stage = body(STAGES[name])
    module = re.match(r"python -m stages\.(\w+)", stage["cmd"])
    assert module
    files = closure(ROOT / "stages" / f"{module[1]}.py")
    files |= data_of(files)
    for dep in (ROOT / dep for dep in stage["deps"] if dep.startswith("stages")):
        assert dep.exists(), f"{name} depends on {dep}, which does not exist"
        used = dep in files or any(dep in file.parents for file in files)
        assert used, f"{name} depends on {dep.relative_to(ROOT)} and never imports it"


@pytest.mark.parametrize("name", STAGES)
def test_stage_has_a_description(name: str) -> None:
    assert body(STAGES[name])["desc"]


def test_every_stage_file_is_a_stage_and_every_stage_a_file() -> None:
    files = {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__", "__main__"}
    # What it makes ships with the repository, so no build runs it.
    files -= {"pretrain"}
    modules = {re.match(r"python -m stages\.(\w+)", body(s)["cmd"])[1] for s in STAGES.values()}
    assert files == modules


@pytest.mark.parametrize("name", ["runtime"])
def test_no_stage_depends_on_how_the_build_runs(name: str) -> None:
    for stage in STAGES.values():
        for entry in body(stage).get("params", []):
            keys = [entry] if isinstance(entry, str) else [k for ks in entry.values() for k in ks]
            assert not any(key.split(".")[0] == name for key in keys)


def test_lock_holds_no_stage_that_is_no_more() -> None:
    # DVC reads and writes the whole lock around each stage; 33 dead ones cost 1.5 s every time.
    locked = yaml.load((ROOT / "dvc.lock").read_bytes(), Loader=yaml.CSafeLoader)["stages"]
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    known = set()
    for name, stage in STAGES.items():
        if "foreach" in stage:
            keys = reduce(getitem, stage["foreach"][2:-1].split("."), params)
            known |= {f"{name}@{key}" for key in keys}
        else:
            known.add(name)
    assert sorted(locked.keys() - known) == []
