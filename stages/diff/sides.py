"""The sides of a comparison: a dataset in the working tree, at a Git revision, or in a release."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import yaml
from dvc.api import DVCFileSystem  # type: ignore[import-untyped]
from dvc.exceptions import DvcException  # type: ignore[import-untyped]

from stages.config.command import pick
from stages.config.errors import BuildError
from stages.config.lineage import lineage
from stages.config.load import load_settings
from stages.config.paths import Paths, must_exist
from stages.hub.manifest import MANIFEST

WORKING_TREE = "."

_TABLE = re.compile(
    r"data/(?P<profile>[^/]+)/"
    r"(?P<reference>(?:sources|extracted|sequences|evolved|datasets|benchmarks)/[^/.]+)\.parquet"
)


@dataclass(frozen=True, slots=True)
class Side:
    """A dataset as it was somewhere, with what it was made from."""

    name: str
    """as reports call it"""
    tables: list[Path]
    """the dataset's files, in the order of their rows"""
    chain: list[str]
    """references from the source to the dataset; empty where nothing tells: in a release"""
    joins: Mapping[str, tuple[str, ...]]
    """reference -> the tables whose rows it joins to those that it is made from"""
    find: Callable[[str], Path | None]
    """a file by its name in the tree of the profile, such as `sources/alpaca.parquet`"""
    ledgers: Callable[[], list[Path]]
    """the exported ledgers of the chain, the source's end first"""


def open_side(dataset: str, where: str, folder: Path) -> Side:
    """The dataset at `where`: `.`, a folder with a manifest, or a Git revision.

    Files of a revision are copied into `folder`, each when it is first asked for. Raises
    BuildError when `where` is none of these, or the dataset is not there.
    """
    if where == WORKING_TREE:
        return _working_tree(dataset)
    if (Path(where) / MANIFEST).is_file():
        return _release(dataset, Path(where))
    if Path(where).is_dir():
        raise BuildError(
            f"{where}: a folder without {MANIFEST}, so no release. Name the folder of one, such as "
            f"data/sample/release/datasets/{dataset}, or a Git revision."
        )
    return _revision(dataset, where, folder)


def _working_tree(dataset: str) -> Side:
    build = load_settings().build
    paths = Paths(build.profile)
    pick("dataset", dataset, {name: name for name in build.datasets})
    chain = lineage(build, f"datasets/{dataset}")
    joins = {one: build.tables[one][1].parents[1:] for one in chain[1:]}

    def find(name: str) -> Path | None:
        path = paths.root / name
        return path if path.is_file() else None

    table = must_exist(paths.table(chain[-1]))
    return Side("working tree", [table], chain, joins, find, lambda: _exports(chain, find))


def _release(dataset: str, folder: Path) -> Side:
    try:
        manifest = orjson.loads((folder / MANIFEST).read_bytes())
        held, address = manifest["name"], manifest["address"]
        name = f"release {address['path']} {address['revision']}".strip()
    except (KeyError, TypeError, ValueError) as error:
        raise BuildError(
            f"{folder / MANIFEST}: not a manifest ({type(error).__name__}: {error}). "
            "Get a fresh copy of the release."
        ) from None
    if held != dataset:
        raise BuildError(f"{folder}: a release of '{held}', not of '{dataset}'.")
    tables = sorted((folder / "data").glob("*.parquet"))
    if not tables:
        raise BuildError(f"{folder}: holds no data/*.parquet. Get a fresh copy of the release.")
    exports = sorted((folder / "ledger").glob("*.parquet"))
    return Side(name, tables, [], {}, lambda _: None, lambda: exports)


def _revision(dataset: str, revision: str, folder: Path) -> Side:
    try:
        files = DVCFileSystem(rev=revision)
        commit = files.repo.get_rev()
    except DvcException as error:
        raise BuildError(
            f"'{revision}' is no folder with a {MANIFEST} and no Git revision ({error}). Name a "
            "commit, a branch or a tag of this repository, the folder of a release, or '.'."
        ) from None
    name = commit[:12] if commit.startswith(revision) else f"{revision} ({commit[:12]})"
    made = _made(files, name)
    reference = f"datasets/{dataset}"
    known = {one.partition("/")[2]: one for _, one in made if one.startswith("datasets/")}
    if dataset not in known:
        raise BuildError(
            f"At {name} dvc.lock has no dataset '{dataset}'. It has: {', '.join(sorted(known))}."
        )
    profile = next(profile for profile, one in made if one == reference)
    chain = [reference]
    while parents := made.get((profile, chain[0])):
        chain.insert(0, parents[0])
    joins = {one: made[profile, one][1:] for one in chain[1:]}

    def find(wanted: str) -> Path | None:
        return _copy(files, f"data/{profile}/{wanted}", name, folder)

    table = find(f"{reference}.parquet")
    assert table, "dvc.lock lists it"
    return Side(name, [table], chain, joins, find, lambda: _exports(chain, find))


def _made(files: DVCFileSystem, name: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """Profile and reference of each table of a revision -> the tables that it was made from.

    From dvc.lock, which says what was built. The settings would say what should be, and those of
    an older version of Seqsmith cannot be checked by this one.
    """
    try:
        lock = yaml.load(files.read_bytes("dvc.lock"), yaml.CSafeLoader)  # noqa: S506 - it is a safe one
        stages = lock["stages"].values()
    except FileNotFoundError:
        raise BuildError(f"At {name} there is no dvc.lock: nothing had been built.") from None
    made: dict[tuple[str, str], tuple[str, ...]] = {}
    for stage in stages:
        read = [found for one in stage.get("deps", ()) if (found := _TABLE.fullmatch(one["path"]))]
        for out in stage.get("outs", ()):
            if found := _TABLE.fullmatch(out["path"]):
                own = [one["reference"] for one in read if one["profile"] == found["profile"]]
                order = _reads(stage.get("params", {}), found["reference"])
                # What the settings name comes first, in their order: the first holds the rows.
                named = [one for one in order if one in own]
                parents = (*named, *(one for one in own if one not in named))
                made[found["profile"], found["reference"]] = parents
    return made


def _reads(params: dict[str, Any], reference: str) -> list[str]:
    """What a stage's settings say that it reads, in their order; versions without them: nothing."""
    for key, setting in params.get("params.yaml", {}).items():
        if key.endswith(f".{reference.partition('/')[2]}") and isinstance(setting, dict):
            reads = setting.get("reads", [])
            return reads if isinstance(reads, list) else [reads]
    return []


def _copy(files: DVCFileSystem, path: str, name: str, folder: Path) -> Path | None:
    """A copy of a file of a revision, from DVC's cache or a remote; None where it has none."""
    copy = folder / path
    if copy.is_file():
        return copy
    if not files.exists(path):
        return None
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        files.get_file(path, str(copy))
    except (FileNotFoundError, DvcException) as error:
        copy.unlink(missing_ok=True)
        commit = name.rstrip(")").rpartition("(")[2]
        raise BuildError(
            f"{path} as of {name} is neither in DVC's cache nor in a remote ({error}).\n"
            "Where it was pushed: dvc fetch --all-commits (or dvc pull -r REMOTE in a checkout of "
            "it).\nElse build it again, into this cache: "
            f"git worktree add ../{commit} {commit} && cd ../{commit} && "
            'dvc cache dir --local "$OLDPWD/.dvc/cache" && dvc repro'
        ) from None
    return copy


def _exports(chain: list[str], find: Callable[[str], Path | None]) -> list[Path]:
    found = (find(f"{reference}.ledger.parquet") for reference in chain[1:])
    return [path for path in found if path]
