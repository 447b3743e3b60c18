"""Builds small sound datasets, spoils copies of them, and has each audited."""

import contextlib
import io
import json
import os
import runpy
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pyarrow.parquet as pq
import yaml

from stages.config.errors import BuildError
from stages.config.lineage import lineage
from stages.config.load import load_settings
from stages.config.paths import Paths
from stages.config.settings import Settings
from stages.validate import validate
from tests.conftest import ROOT
from tests.defect_tree import STOPS, Defect, Tree, inject
from tests.defects import ALONE, DATASETS, DEFECTS, TOGETHER

SEED = 7
ROWS = {"alpaca": 300, "natural-instructions": 450, "vqa": 120, "captions": 60}
"""rows of a source; its translations have as many"""
TOLERANT = (
    "max_near_duplicates", "max_overlap", "max_leaks", "max_faulty_texts", "max_broken_ends",
    "max_forbidden_tasks", "max_other_language", "max_personal",
)  # fmt: skip
ITEMS = 40  # of each benchmark and test set

# The stages of tables that are made from no other.
_FIRST = {
    "sources": "fetch",
    "translations": "fetch",
    "benchmarks": "benchmark",
    "testsets": "testset",
}


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found."""

    severity: dict[str, str]
    """of each check"""
    failed: set[str]
    named: dict[str, set[str]]
    """the rows, or columns, that are against a check's rule, also where some are allowed"""
    stopped: str
    """the sentence that ended it before any verdict; empty otherwise"""
    crashed: bool = False
    """whether it ended with an error that is none of its own"""


@dataclass(frozen=True, slots=True)
class Trial:
    """One kind of defect, put into a copy and audited."""

    defect: Defect
    injected: set[str]
    """what the check must name; nothing where it is about the table as a whole"""
    caught: set[str]
    false_alarms: set[str]
    """what the check names for no reason"""
    verdict: str
    """severity of the check if it failed; otherwise `passed`, `missing`, `stops` or `crashed`"""

    @property
    def is_caught(self) -> bool:
        """Whether the check failed and named everything that was injected."""
        verdicts = (STOPS,) if self.defect.check == STOPS else ("error", "warning")
        return self.verdict in verdicts and self.caught == self.injected


class Unexplained(NamedTuple):
    """A row that a check names, for which no defect gives it a reason."""

    dataset: str
    check: str
    name: str
    kinds: list[str]
    """the defects that the row has; none in a sound row"""


@dataclass(frozen=True, slots=True)
class Trials:
    clean: dict[str, Audit]
    """of each dataset as it was built"""
    trials: list[Trial]
    unexplained: list[Unexplained]


def run_trials(folder: Path, seed: int = SEED) -> Trials:
    """Everything, below `folder`: half a minute."""
    clean_build, copy = folder / "clean", folder / "copy"
    with own_ledger(), quiet():
        with build_tree(clean_build, DATASETS) as settings:
            clean = {dataset: audit(dataset) for dataset in DATASETS}
            release(settings, "alpaca-it")
        trials, unexplained = [], []
        for dataset, defects in copies():
            shutil.copytree(clean_build, copy, symlinks=True)
            with contextlib.chdir(copy):
                injected = inject(open_tree(settings, dataset), defects, seed)
                found = audit(dataset)
            shutil.rmtree(copy)
            trials += [judge(one, defects, injected, found, clean[dataset]) for one in defects]
            unexplained += explain(defects, injected, found, clean[dataset])
    trials.sort(key=lambda trial: DEFECTS.index(trial.defect))
    return Trials(clean, trials, unexplained)


def copies() -> Iterator[tuple[str, list[Defect]]]:
    """What is injected into each copy."""
    for dataset in DATASETS:
        if together := [defect for defect in TOGETHER if defect.dataset == dataset]:
            yield dataset, together
    for defect in ALONE:
        yield defect.dataset, [defect]


def judge(
    defect: Defect,
    defects: Sequence[Defect],
    injected: dict[str, set[str]],
    found: Audit,
    clean: Audit,
) -> Trial:
    """What became of one of the defects of a copy."""
    expected = injected[defect.kind]
    if found.stopped:
        named = {name for name in expected if name in found.stopped}
        return Trial(defect, expected, expected & named, set(), _verdict(defect.check, found))
    named = found.named.get(defect.check, set())
    false = named - _explained(defect.check, defects, injected, clean) if expected else set()
    return Trial(defect, expected, expected & named, false, _verdict(defect.check, found))


def _verdict(check: str, found: Audit) -> str:
    if found.crashed:
        return "crashed"
    if found.stopped:
        return STOPS
    if check not in found.severity:
        return "missing"
    return found.severity[check] if check in found.failed else "passed"


def explain(
    defects: Sequence[Defect], injected: dict[str, set[str]], found: Audit, clean: Audit
) -> Iterator[Unexplained]:
    """What checks name without a reason; not in a table that is spoilt as a whole."""
    if not all(injected.values()):
        return
    for check, names in sorted(found.named.items()):
        for name in sorted(names - _explained(check, defects, injected, clean)):
            kinds = [one.kind for one in defects if name in injected[one.kind]]
            yield Unexplained(defects[0].dataset, check, name, kinds)


def _explained(
    check: str, defects: Sequence[Defect], injected: dict[str, set[str]], clean: Audit
) -> set[str]:
    """What a check may name in a copy: also what it names, within its limit, in the clean data.

    A row that was spoilt is not what its replies make of it, whatever was done to it.
    """
    spoilt = (
        injected[one.kind] for one in defects if check in ("other_result", one.check, *one.also)
    )
    return clean.named.get(check, set()).union(*spoilt)


def audit(dataset: str) -> Audit:
    """The audit of a dataset of the build in the working directory."""
    folder = Paths("sample").folder("audit", dataset)
    verdicts, rows = folder / "validation.json", folder / "quarantine.parquet"
    for path in (verdicts, rows):
        path.unlink(missing_ok=True)
    stopped = ""
    try:
        validate(dataset)
    except BuildError as error:
        stopped = str(error)
    except Exception as error:  # one audit that breaks must not hide what the others found
        return Audit({}, set(), {}, f"{type(error).__name__}: {error}", crashed=True)
    if not verdicts.is_file():
        return Audit({}, set(), {}, stopped or "no verdict was written")
    checks = json.loads(verdicts.read_text("utf-8"))["checks"]
    return Audit(
        severity={check["name"]: check["severity"] for check in checks},
        failed=set(check["name"] for check in checks if not check["success"]),
        named=named_in(rows),
        stopped="",
    )


def named_in(quarantine: Path) -> dict[str, set[str]]:
    """The rows that each check names, in the quarantine of an audit."""
    named: dict[str, set[str]] = {}
    for row in pq.read_table(quarantine).to_pylist():
        for check in row["checks"]:
            named.setdefault(check["check"], set()).add(row["id"])
    return named


def open_tree(settings: Settings, dataset: str) -> Tree:
    """A dataset of the build in the working directory, to spoil it."""
    return Tree(Paths("sample"), lineage(settings.build, f"datasets/{dataset}"))


@contextlib.contextmanager
def build_tree(root: Path, datasets: Sequence[str]) -> Iterator[Settings]:
    """Small datasets, by the stages themselves; `root` is the working directory meanwhile."""
    write_settings(root)
    with contextlib.chdir(root):
        settings = load_settings()
        made: set[str] = set()
        tables = [f"datasets/{name}" for name in datasets]
        tables += [f"benchmarks/{name}" for name in settings.build.benchmarks]
        tables += [f"testsets/{name}" for name in settings.build.testsets]
        tables += [one for one in settings.build.tables if one.startswith("benchmarks/")]
        for reference in tables:
            make(settings, reference, made)
        yield settings


def release(settings: Settings, dataset: str) -> None:
    """Package the dataset as it is, and compare it with that from now on."""
    run("package", f"datasets/{dataset}")
    paths = Paths(settings.build.profile)
    shutil.move(paths.folder("release", f"datasets/{dataset}"), "previous")
    profile = Path("profiles/sample.yaml")
    changed = yaml.safe_load(profile.read_text("utf-8"))
    changed["audit"]["previous"] = {dataset: "previous"}
    profile.write_text(yaml.safe_dump(changed), "utf-8")


def write_settings(root: Path) -> None:
    """params.yaml and the sample profile of the repository, with fewer rows and no tolerance."""
    shutil.copytree(ROOT / "profiles", root / "profiles")
    for name in ("base", "showcase"):
        (root / name).symlink_to(ROOT / name)
    (root / "inputs").mkdir()
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    # Where some rows are accepted the check passes; what is tried is whether it names them.
    params["thresholds"].update(dict.fromkeys(TOLERANT, 0.0), max_repeated_queries=0.02)
    (root / "params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    path = root / "profiles" / "sample.yaml"
    profile = yaml.safe_load(path.read_text("utf-8"))
    for name, source in profile["sources"].items():
        source["rows"] = source["rows"] and ROWS.get(source.get("translates", name), 100)
    for testset in profile["testsets"].values():
        testset["rows"] = testset["rows"] and ITEMS
    for benchmark in profile["benchmarks"].values():
        benchmark["queries_per_length"] = ITEMS
    path.write_text(yaml.safe_dump(profile), "utf-8")


def make(settings: Settings, reference: str, made: set[str]) -> None:
    """Run the stage of a table, after those of the tables that it is made from."""
    if reference in made:
        return
    made.add(reference)
    kind, _, name = reference.partition("/")
    verb = _FIRST.get(kind, "")
    if reference in settings.build.tables:
        verb, table = settings.build.tables[reference]
        for parent in table.parents:
            make(settings, parent, made)
    run(verb, name)


def run(verb: str, name: str) -> None:
    """Run a stage."""
    with mock.patch.object(sys, "argv", ["stage", name]), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a stage that another test imported
        runpy.run_module(f"stages.{verb}", run_name="__main__", alter_sys=True)


@contextlib.contextmanager
def own_ledger() -> Iterator[None]:
    """The ledger of the build lies below its root."""
    with mock.patch.dict(os.environ):
        os.environ.pop("SEQSMITH_LEDGER", None)
        yield


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the tables that stages and audits print."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
