"""Every dataset of the sample profile, small, made by the stages themselves."""

import shutil
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import yaml

from stages.ablate import ablate
from stages.caption import caption
from stages.chain import chain
from stages.compose import compose
from stages.config.load import load_settings
from stages.config.paths import Paths
from stages.config.settings import Build
from stages.evolve import evolve_table
from stages.extract import extract_table
from stages.fetch import main as fetch
from stages.respond import answer
from stages.sequence import sequence
from stages.split import split
from stages.translate import translate
from tests.conftest import ROOT
from tests.release_tree import write_audit

_VERBS = {
    "fetch": fetch,
    "extract": extract_table,
    "sequence": sequence,
    "evolve": evolve_table,
    "respond": answer,
    "compose": compose,
    "translate": translate,
    "caption": caption,
    "chain": chain,
    "ablate": ablate,
    "split": split,
}
# Rows of the sources: enough for every method to change some, and for chains of five tasks.
_ROWS = {"natural-instructions": 700, "vqa": 30, "captions": 15, "flancot": 20, "tulu-v2": 20}


def write_everything(root: Path) -> Paths:
    """Every dataset of the sample profile, small, made by the stages themselves; audits of ours."""
    for name in ("base", "showcase"):
        shutil.copytree(ROOT / name, root / name)
    (root / "inputs").mkdir()
    (root / "profiles").mkdir()
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    profile = yaml.safe_load((ROOT / "profiles" / "sample.yaml").read_text("utf-8"))
    for name, source in profile["sources"].items():
        if source["rows"]:
            source["rows"] = _ROWS.get(name, 60)
    made = [name for section in _FINISHED for name in params[section]]
    params["packages"] = {"datasets": made, "models": []}
    (root / "params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    (root / "profiles" / "sample.yaml").write_text(yaml.safe_dump(profile), "utf-8")
    paths = Paths("sample")
    with chdir(root):
        build = load_settings().build
        for verb, name in _in_order(build):
            _VERBS[verb](name)
        for name in made:
            write_audit(paths, name)
    return paths


_FINISHED = ("answered", "composed", "translated", "captioned", "chained", "ablated", "split")


def _in_order(build: Build) -> Iterator[tuple[str, str]]:
    """Verb and name of each table that a finished dataset is made from, parents first."""
    tables = build.tables
    waiting = {one for one in tables if not one.startswith("benchmarks/")}
    yield from (("fetch", one.partition("/")[2]) for one in build.upstreams)
    while waiting:
        ready = [
            one for one in tables if one in waiting and not waiting & {*tables[one][1].parents}
        ]
        yield from ((tables[one][0], one.partition("/")[2]) for one in ready)
        waiting -= {*ready}
