"""Two tiny models beside a finished build, trained in name only, for tests of model releases."""

import json
import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from stages.config.load import load_settings
from stages.config.paths import Paths
from stages.models.chat import read_template
from stages.models.instructblip import load_processor
from stages.rows.measure import write_metrics
from stages.rows.parquet import file_hash, logical_hash, write_records
from stages.rows.row import Origin, Row
from stages.testsets.item import ITEMS, Item, to_table
from stages.training.tiny import make_model, make_tokenizer
from stages.training.vision_tiny import PIECES, make_language_model, make_vision_tokenizer, save
from stages.training.vision_tiny import documents as vision_documents
from stages.training.vision_tiny import make_model as make_seeing
from stages.world.corpus import documents
from tests.release_tree import write_audit, write_build

BASE = "some/base"
REVISION = "5" * 40
SCORES = {
    "accuracy": {"items": 2, "mean": 0.4321, "low": 0.25, "high": 0.5},
    "following": {"items": 2, "mean": 0.875, "low": 0.75, "high": 1.0},
    "exact": {"items": 2, "mean": 0.125, "low": 0.0, "high": 0.25},
}
DIFFERENCE = {"items": 2, "better": 1, "worse": 0, "mean": 0.2, "low": -0.1, "high": 0.3, "p": 0.04}


def make_tiny(folder: Path) -> Path:
    """A text model as training saves it, with random weights."""
    tokenizer = make_tokenizer(islice(documents(0), 100))
    make_model(tokenizer, 0).save_pretrained(folder)
    tokenizer.chat_template = read_template("tulu")
    tokenizer.save_pretrained(folder)
    return folder


def make_tiny_seeing(folder: Path) -> Path:
    """An InstructBLIP as training saves it, with random weights."""
    tokenizer = make_vision_tokenizer(islice(vision_documents(0), 100))
    save(make_seeing(tokenizer, make_language_model(tokenizer, 0), 0), tokenizer, folder)
    load_processor(str(folder), None, PIECES).save_pretrained(folder)
    return folder


def write_model_build(root: Path, tiny: Path, **publish: Any) -> Paths:
    """The build of `write_build`, with models of `alpaca-it` and `alpaca-sit`, scored and compared.

    Expects `root` to be the current folder.
    """
    paths = write_build(root, **publish)
    edit_params(
        root,
        packages={"datasets": ["alpaca-sit"], "models": ["alpaca-it", "alpaca-sit"]},
        scores={"alpaca-it": ["world"], "alpaca-sit": ["world", "commonsense-qa"]},
        compared={"sequences": {"model": "alpaca-sit", "against": "alpaca-it"}},
        testsets=["commonsense-qa"],
        lengthened={},
    )
    edit_training(root, base=BASE, revision=REVISION)
    edit_profile(root, publish={"base_licences": {BASE: "mit"}})
    write_audit(paths, "alpaca-it")
    for name in ("alpaca-it", "alpaca-sit"):
        shutil.copytree(tiny, paths.folder("models", name))
        write_training(paths, name)
    write_items(paths, "benchmarks/world", 2)
    write_items(paths, "testsets/commonsense-qa", 0)
    write_scores(paths, "alpaca-it", {"world": SCORES})
    write_scores(paths, "alpaca-sit", {"world": SCORES, "commonsense-qa": {}})
    tests = {"world": dict.fromkeys(SCORES, DIFFERENCE), "commonsense-qa": {}}
    write_metrics(
        paths.folder("compared") / "sequences.json",
        {"model": "alpaca-sit", "against": "alpaca-it", "tests": tests, "pairs": {}},
    )
    return paths


def edit_params(root: Path, **sections: Any) -> None:
    path = root / "params.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text("utf-8")) | sections), "utf-8")


def edit_profile(root: Path, **sections: dict[str, Any]) -> None:
    """Change settings of sections of the profile."""
    path = root / "profiles" / "sample.yaml"
    profile = yaml.safe_load(path.read_text("utf-8"))
    for name, changes in sections.items():
        profile[name] |= changes
    path.write_text(yaml.safe_dump(profile), "utf-8")


def edit_training(root: Path, **changes: Any) -> None:
    """Change the recipe; what was trained before was then trained with another one."""
    edit_profile(root, training=changes)


def write_training(paths: Paths, name: str) -> None:
    """training.json, as `train` would write it now."""
    settings = load_settings()
    recipe, dataset = settings.training(name), settings.build.models[name].dataset
    table = paths.table(f"datasets/{dataset}")
    made_of = {
        "dataset": {
            "name": dataset,
            "file_sha256": file_hash(table),
            "logical_sha256": logical_hash(table),
        },
        "base": {"name": recipe.base, "revision": recipe.revision},
        "settings": recipe.model_dump(),
        "rows": 12,
        "cut": 0,
        "lost": 0,
        "steps": 3,
        "tokens": 1234,
        "versions": {"torch": "2.13.0"},
    }
    path = paths.folder("models", name) / "training.json"
    path.write_text(json.dumps(made_of, indent=2) + "\n", "utf-8")


def write_items(paths: Paths, reference: str, count: int) -> None:
    rows = (
        Row(f"{number:04}", "Name a city.", "", "Rome", "world", Origin("world", "1", number))
        for number in range(count)
    )
    items = (to_table(Item(row, "all")) for row in rows)
    write_records(paths.table(reference), ITEMS, items)


def write_scores(paths: Paths, model: str, benchmarks: dict[str, dict[str, Any]]) -> None:
    """Scores of a model: benchmark -> metrics."""
    for name, metrics in benchmarks.items():
        path = paths.folder("scores", model) / f"{name}.json"
        write_metrics(path, {"shots": 0, "items": 2, "metrics": metrics, "groups": {}})
    means = {
        name: {metric: one["mean"] for metric, one in metrics.items()}
        for name, metrics in benchmarks.items()
    }
    write_metrics(paths.folder("scores") / f"{model}.json", means)
