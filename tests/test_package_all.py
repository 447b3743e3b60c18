"""Packaging every dataset of the sample profile: it loads, and its card is true."""

import json
import re
from collections import Counter
from contextlib import chdir
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest
import yaml
from huggingface_hub import DatasetCard
from markdown_it import MarkdownIt
from PIL import Image

from stages.config.load import load_settings
from stages.hub.datasets.load_back import load_dataset_back
from stages.hub.manifest import DatasetManifest, read_manifest
from stages.package import package
from tests.conftest import ROOT
from tests.everything_tree import write_everything

pytestmark = pytest.mark.pipeline

NAMES = load_settings(ROOT).build.datasets

# Which folder of prompts a verb asks with; the others ask with none.
PROMPTS = {
    "extract": "extract",
    "sequence": "seq_instruct",
    "evolve": "evolve",
    "compose": "compose",
    "chain": "chain",
    "split": "split",
}


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a build of all datasets, packaged."""
    root = tmp_path_factory.mktemp("everything")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQSMITH_LEDGER", str(root / "ledger.sqlite"))
        write_everything(root)
    with chdir(root):
        for name in NAMES:
            package(f"datasets/{name}")
    return root


def release_of(everything: Path, name: str) -> tuple[Path, DatasetManifest, str]:
    """The folder of a release, its manifest, its card."""
    folder = everything / "data/sample/release/datasets" / name
    manifest = read_manifest(folder)
    assert isinstance(manifest, DatasetManifest)
    return folder, manifest, (folder / "README.md").read_text("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_release_loads_with_the_columns_rows_and_features_of_its_card(
    everything: Path, name: str, tmp_path: Path
) -> None:
    folder, manifest, card = release_of(everything, name)
    load_dataset_back(str(folder), None, folder, manifest)
    expected = ["default", "ledger"] if manifest.ledger else ["default"]
    data = DatasetCard(card, ignore_metadata_errors=False).data
    assert [one["config_name"] for one in data.configs] == expected
    for config, files in (("default", manifest.data), ("ledger", manifest.ledger)):
        if not files:
            continue
        paths = [str(folder / file.path) for file in files]
        stated = datasets.load_dataset_builder(str(folder), config, cache_dir=str(tmp_path)).info
        bare = datasets.load_dataset(
            "parquet", data_files=paths, split="train", cache_dir=str(tmp_path / "bare")
        )
        assert stated.features == bare.features
        assert stated.splits["train"].num_examples == bare.num_rows
        assert stated.splits["train"].num_bytes == bare.info.splits["train"].num_bytes


@pytest.mark.parametrize("name", NAMES)
def test_card_tells_of_every_table_and_counts_each_row_once(everything: Path, name: str) -> None:
    folder, manifest, card = release_of(everything, name)
    with chdir(everything):
        build = load_settings().build
    parents = {one: [*made.parents] for one, (_, made) in build.tables.items()}
    found, waiting = set(), [f"datasets/{name}"]
    while waiting:
        table = waiting.pop()
        found.add(table)
        waiting += parents.get(table, [])
    assert {table.name for table in manifest.tables} == found
    told = card.split("## How it was made")[1].split("\n| table |")[0]
    assert all(f"`{table}`" in told for table in found)
    rows = Counter()
    for one in manifest.outcomes:
        rows[one.table] += one.rows
    assert dict(rows) == dict.fromkeys(manifest.lineage[1:], manifest.rows)
    asked = {one.made_by for one in manifest.tables if one.replies}
    used = {prompt.name.partition("/")[0] for prompt in manifest.prompts}
    assert used == {PROMPTS[verb] for verb in asked if verb in PROMPTS}
    assert manifest.models or not asked


@pytest.mark.parametrize("name", NAMES)
def test_card_is_sound_markdown_with_every_prompt_whole(everything: Path, name: str) -> None:
    _, manifest, card = release_of(everything, name)
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(card.split("---\n", 2)[2])
    headings = [tokens[i + 1].content for i, one in enumerate(tokens) if one.type == "heading_open"]
    assert headings[1:] == [
        "A row", "Load", "Fields", "Composition", "How it was made", "Rows taken out", "Checks",
        "Overlap with benchmarks", "Limits", "Licence", "Provenance", "Versions", "Citation",
    ]  # fmt: skip
    shown = [
        yaml.safe_load(one.content) for one in tokens if one.type == "fence" and one.info == "yaml"
    ]
    prompts = [
        yaml.safe_load((ROOT / f"stages/prompts/{prompt.name}.yaml").read_text("utf-8"))
        for prompt in manifest.prompts
    ]
    assert shown == prompts
    example = json.loads(next(one.content for one in tokens if one.type == "fence"))
    said = [one["content"] for one in example["messages"] if one["role"] == "assistant"]
    assert said[0] == example["output"]
    assert not re.search(r"\{\{|\}\}|\{%", "".join(
        one.content for one in tokens if one.type == "inline"
    ))  # fmt: skip


@pytest.mark.parametrize("name", ["vqa-it", "vqa-sit"])
def test_release_of_pictures_loads_them_as_pictures(
    everything: Path, name: str, tmp_path: Path
) -> None:
    folder, manifest, _ = release_of(everything, name)
    rows = datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path))
    assert isinstance(rows.features["image"], datasets.Image)
    assert isinstance(rows[0]["image"], Image.Image)
    assert {source.name: source.gives for source in manifest.sources} == {
        "captions": "captions",
        "vqa": "rows",
    }
    assert not (folder / "ledger").exists()


def test_release_of_an_ablation_holds_the_ledger_of_what_it_was_cut_by(everything: Path) -> None:
    folder, _, _ = release_of(everything, "alpaca-it-tokens")
    named = {
        key
        for row in pq.read_table(
            everything / "data/sample/datasets/alpaca-sit.parquet", columns=["history"]
        ).to_pylist()
        for event in row["history"]
        for key in event["requests"]
    }
    (ledger,) = (folder / "ledger").iterdir()
    assert named <= set(pq.read_table(ledger)["key"].to_pylist())


def test_release_names_licences_and_places_of_translations(everything: Path) -> None:
    _, manifest, card = release_of(everything, "multilingual-sit")
    languages = ["alpaca-de", "alpaca-es", "alpaca-ru", "alpaca-zh"]
    assert [one.name for one in manifest.sources if one.gives == "translations"] == languages
    assert all(f"- source {name}: `apache-2.0`" in card.replace("\\", "") for name in languages)


def test_card_names_the_upstream_of_a_dataset_that_another_was_cut_by(everything: Path) -> None:
    _, manifest, _ = release_of(everything, "alpaca-it-paired")
    assert [(one.name, one.gives) for one in manifest.sources] == [("alpaca", "rows")]
    assert manifest.parameters["tokens_of"]["base"] == "base/tiny"
