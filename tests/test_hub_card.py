"""The card's header, read by the libraries that the Hub is read with."""

from pathlib import Path

import datasets
import pytest
from huggingface_hub import DatasetCard

from stages.config.paths import Paths
from stages.hub.datasets.card import FIELDS, size_category
from stages.llm.exchange import EXPORT
from stages.package import package
from stages.rows.row import SCHEMA
from tests.release_tree import rows_of, write_build


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.chdir(tmp_path)
    paths = write_build(tmp_path)
    package("datasets/alpaca-sit")
    return paths


def test_card_header_loads_the_release_with_its_features_and_sizes(
    build: Paths, tmp_path: Path
) -> None:
    release = str(build.folder("release", "datasets/alpaca-sit"))
    for config, schema in (("default", SCHEMA), ("ledger", EXPORT)):
        stated = datasets.load_dataset_builder(release, config, cache_dir=str(tmp_path)).info
        loaded = datasets.load_dataset(release, config, split="train", cache_dir=str(tmp_path))
        assert stated.features == datasets.Features.from_arrow_schema(schema)
        assert loaded.features == stated.features
        assert stated.splits["train"].num_examples == loaded.num_rows
        assert stated.splits["train"].num_bytes == loaded.info.splits["train"].num_bytes
        assert stated.dataset_size == loaded.info.dataset_size
    rows = datasets.load_dataset(release, split="train", cache_dir=str(tmp_path))
    assert rows["id"][:] == [row.id for row in rows_of(build)]
    assert rows[0]["messages"] == rows_of(build)[0].messages


def test_card_header_is_metadata_of_the_hub(build: Paths) -> None:
    text = (build.folder("release", "datasets/alpaca-sit") / "README.md").read_text("utf-8")
    data = DatasetCard(text, ignore_metadata_errors=False).data
    assert data.license == "cc-by-nc-4.0"
    assert data.language == ["en"]
    assert data.task_categories == ["text-generation"]
    assert data.size_categories == ["n<1K"]
    assert [one["config_name"] for one in data.configs] == ["default", "ledger"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [(0, "n<1K"), (999, "n<1K"), (1_000, "1K<n<10K"), (51_760, "10K<n<100K"), (10**5, "100K<n<1M")],
)
def test_size_category_is_the_hub_s(rows: int, expected: str) -> None:
    assert size_category(rows) == expected


def test_every_published_column_has_a_meaning_on_the_card() -> None:
    assert list(FIELDS) == SCHEMA.names
