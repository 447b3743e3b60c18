"""The card: its header as the Hub's libraries read it, and the texts that it is made of."""

import re
from pathlib import Path

import datasets
import orjson
import pytest
import yaml
from huggingface_hub import DatasetCard

from stages.config.errors import BuildError
from stages.config.paths import Paths
from stages.hub.datasets import citations, steps
from stages.hub.datasets.card import FIELDS
from stages.hub.datasets.citations import cite
from stages.hub.datasets.header import size_category
from stages.hub.datasets.prompts import Prompts, text_of
from stages.hub.datasets.steps import step_of, tell
from stages.hub.parts import Table
from stages.llm.exchange import EXPORT
from stages.methods.ablate import METHODS as ablations
from stages.methods.caption import METHODS as captions
from stages.methods.chain import METHODS as chains
from stages.methods.compose import METHODS as compositions
from stages.methods.split import METHODS as splits
from stages.methods.translate import METHODS as translations
from stages.package import package
from stages.rows.row import SCHEMA, SCHEMA_WITH_IMAGE
from tests.conftest import ROOT
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
    assert list(FIELDS) == SCHEMA_WITH_IMAGE.names


METHODS = {
    "caption": captions,
    "chain": chains,
    "compose": compositions,
    "ablate": ablations,
    "split": splits,
    "translate": translations,
}


@pytest.mark.parametrize(
    ("verb", "method"),
    [
        *((verb, method) for verb, methods in METHODS.items() for method in methods),
        *((verb, "") for verb in ("extract", "sequence", "evolve", "respond")),
    ],
)
def test_card_has_words_and_works_to_cite_for_every_method(verb: str, method: str) -> None:
    table = made(verb, method)
    (told,) = tell([table])
    assert "`sources/a`" in told.text and "{" not in told.text
    assert ("`sources/b`" in told.text) == (verb in {"ablate", "caption", "translate"}) or (
        method == "extend"
    )
    assert len(cite(step_of(table).cites, [])) == len(step_of(table).cites)


def test_card_has_no_words_for_methods_that_are_not_there() -> None:
    for verb, methods in METHODS.items():
        texts = yaml.safe_load(
            (Path(steps.__file__).parent / f"card_texts/{verb}.yaml").read_text()
        )
        assert texts.keys() == methods.keys()


def test_method_without_words_is_refused_with_the_file_to_write_them_in() -> None:
    with pytest.raises(BuildError, match=r"no words for 'chain' by 'knit'.*card_texts/chain\.yaml"):
        step_of(made("chain", "knit"))


def made(verb: str, method: str) -> Table:
    return Table(
        name="datasets/x",
        made_by=verb,
        settings={"method": method} if method else {},
        parents=["sources/a", "sources/b"],
        rows=1,
        quarantined={},
        replies=0,
    )


def test_neighbours_made_alike_are_told_of_once() -> None:
    first, second = made("sequence", ""), made("sequence", "")
    told = tell([first, second.model_copy(update={"name": "datasets/y"}), made("respond", "")])
    assert [(one.tables, one.verb) for one in told] == [
        (["datasets/x", "datasets/y"], "sequence"),
        (["datasets/x"], "respond"),
    ]


def test_every_source_of_the_profiles_that_the_hub_holds_is_cited() -> None:
    for name in ("laptop", "paper"):
        profile = yaml.safe_load((ROOT / f"profiles/{name}.yaml").read_text("utf-8"))
        repos = {one["repo"] for one in profile["sources"].values() if one["origin"] == "hub"}
        assert repos
        for repo in repos:
            assert cite([], [repo]), repo


def test_citations_are_bibtex_entries_of_different_keys() -> None:
    works = yaml.safe_load(Path(citations.__file__).with_name("citations.yaml").read_text("utf-8"))
    entries = list(works["works"].values())
    keys = [re.match(r"@\w+\{(\w+),\n", entry)[1] for entry in entries]
    assert len(set(keys)) == len(keys)
    for entry in entries:
        assert entry.count("{") == entry.count("}")
        assert {"title", "author", "year"} <= set(re.findall(r"^  (\w+) = ", entry, re.MULTILINE))
    assert {key for one in works["repositories"].values() for key in one} <= works["works"].keys()


def test_prompt_files_are_told_apart_and_found_by_their_requests() -> None:
    found = Prompts()
    names = [
        path.relative_to(ROOT / "stages/prompts").with_suffix("").as_posix()
        for path in (ROOT / "stages/prompts").rglob("*.yaml")
    ]
    for name in names:
        texts = yaml.safe_load(text_of(name))
        turns = [["assistant", one["reply"], []] for one in texts["demonstrations"]]
        found.count(orjson.dumps([["system", texts["system"], []], *turns[::-1]]).decode())
    assert {one.name: one.replies for one in found.files} == dict.fromkeys(names, 1)


def test_request_with_demonstrations_of_no_prompt_file_is_refused() -> None:
    found = Prompts()
    found.count("[]")
    found.count('[["system","You are kind.",[]]]')
    assert found.files == []
    with pytest.raises(BuildError, match="demonstrations of no file .* 'an old example'"):
        found.count('[["system","x",[]],["user","q",[]],["assistant","an old example",[]]]')
