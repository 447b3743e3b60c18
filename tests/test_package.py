"""Packaging: what is in a release, that it is true, and that it is the same every time."""

import json
import random
import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from markdown_it import MarkdownIt

from stages.config.errors import BuildError
from stages.config.paths import Paths
from stages.hub.datasets import shards
from stages.llm.exchange import EXPORT, export_ledger
from stages.llm.ledger import Ledger
from stages.package import package
from stages.rows.logical import logical_hash
from stages.rows.parquet import RowWriter, file_hash, read_rows, write_records
from stages.rows.quarantine import write_quarantine
from stages.rows.row import SCHEMA, SCHEMA_WITH_IMAGE, Origin, Picture, Row, to_record
from tests.conftest import ROOT
from tests.quality_tree import ask, rewrite
from tests.release_tree import (
    CHECK,
    LAST,
    card_of,
    come_from,
    files_of,
    header_of,
    quarantine_first,
    rows_of,
    write_audit,
    write_build,
    write_counts,
    write_profile,
)


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.chdir(tmp_path)
    return write_build(tmp_path)


@pytest.fixture
def release(build: Paths) -> Path:
    return build.folder("release", "datasets/alpaca-sit")


def manifest(release: Path) -> dict:
    return json.loads((release / "manifest.json").read_text("utf-8"))


def test_package_twice_gives_the_same_bytes_whatever_git_and_dvc_say(
    release: Path, tmp_path: Path
) -> None:
    package("datasets/alpaca-sit")
    before = files_of(release)
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\n", "utf-8")
    (tmp_path / ".git").mkdir()
    package("datasets/alpaca-sit")
    assert files_of(release) == before
    assert sorted(before) == [
        "README.md",
        "data/train-00000-of-00001.parquet",
        "ledger/ledger-00000-of-00001.parquet",
        "manifest.json",
    ]


def test_package_manifest_names_every_other_file_with_its_hash_and_size(release: Path) -> None:
    package("datasets/alpaca-sit")
    found = manifest(release)
    described = [*found["data"], *found["ledger"], found["card"]]
    assert {file["path"] for file in described} == files_of(release).keys() - {"manifest.json"}
    for file in described:
        assert file["sha256"] == file_hash(release / file["path"])
        assert file["bytes"] == (release / file["path"]).stat().st_size
    assert found["data"][0]["logical_sha256"] == logical_hash(release / found["data"][0]["path"])
    assert found["data"][0]["rows"] == found["rows"] == 12


def test_package_data_are_the_rows_of_the_dataset_in_the_published_columns(
    build: Paths, release: Path
) -> None:
    package("datasets/alpaca-sit")
    table = pq.read_table(release / "data/train-00000-of-00001.parquet")
    assert table.column_names == SCHEMA.names
    assert table.to_pylist() == pq.read_table(build.table(LAST)).to_pylist()


def test_package_many_rows_are_cut_into_shards_of_a_fixed_size(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "SHARD_ROWS", 5)
    package("datasets/alpaca-sit")
    paths = sorted((release / "data").iterdir())
    assert [path.name for path in paths] == [f"train-0000{i}-of-00003.parquet" for i in range(3)]
    assert [pq.read_metadata(path).num_rows for path in paths] == [5, 5, 2]
    ids = [id for path in paths for id in pq.read_table(path)["id"].to_pylist()]
    assert ids == sorted(ids)
    info = header_of(release)["dataset_info"][0]
    assert info["splits"][0]["num_examples"] == 12


def test_package_ledger_is_the_union_of_the_exports_and_holds_what_rows_name(
    build: Paths, release: Path, tmp_path: Path
) -> None:
    named = {key for row in rows_of(build) for event in row.history for key in event.requests}
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        export_ledger(ledger, named, build.ledger_export(LAST))  # overlaps with the earlier two
    package("datasets/alpaca-sit")
    keys = pq.read_table(release / "ledger/ledger-00000-of-00001.parquet")["key"].to_pylist()
    exported = [
        key
        for reference in ("sequences/alpaca-1", "sequences/alpaca-2", LAST)
        for key in pq.read_table(build.ledger_export(reference))["key"].to_pylist()
    ]
    assert keys == sorted(set(exported))
    assert len(exported) > len(keys)
    assert named <= set(keys)


def test_package_reply_that_a_row_names_in_no_ledger_is_refused(build: Paths) -> None:
    def change(row: Row) -> Row:
        event = replace(row.history[-1], requests=("ab" * 32,))
        return replace(row, history=(*row.history[:-1], event))

    rewrite(build, LAST, change)
    with pytest.raises(BuildError, match=r"1 replies that the rows name are in no exported ledger"):
        package("datasets/alpaca-sit")


def test_package_two_replies_to_one_request_are_refused(build: Paths, tmp_path: Path) -> None:
    first = rows_of(build)[0].history[0].requests[0]
    with Ledger(tmp_path / "another.sqlite") as ledger:
        assert ask(ledger, f"classify 1 {rows_of(build)[0].id}", "another reply") == first
        export_ledger(ledger, [first], build.ledger_export("sequences/alpaca-2"))
    with pytest.raises(BuildError, match=f"Two replies to request {first}"):
        package("datasets/alpaca-sit")


def test_package_replies_of_another_model_than_the_generator_are_refused(
    tmp_path: Path, build: Paths
) -> None:
    text = (tmp_path / "profiles/sample.yaml").read_text("utf-8")
    (tmp_path / "profiles/sample.yaml").write_text(text.replace("name: model", "name: other"))
    with pytest.raises(
        BuildError, match="replies of model, but params.yaml and the profile say other"
    ):
        package("datasets/alpaca-sit")


def test_package_on_other_threads_gives_the_same_bytes(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = pa.cpu_count(), pa.io_thread_count()
    try:
        found = []
        for count in (1, 7):
            pa.set_cpu_count(count)
            pa.set_io_thread_count(count)
            package("datasets/alpaca-sit")
            found.append(files_of(release))
    finally:
        pa.set_cpu_count(threads[0])
        pa.set_io_thread_count(threads[1])
    assert found[0] == found[1]


def test_package_row_that_missed_a_step_is_refused(build: Paths) -> None:
    rewrite(build, LAST, lambda row: replace(row, history=row.history[1:]))
    with pytest.raises(BuildError, match="went through 2 steps, but .* go through 3"):
        package("datasets/alpaca-sit")


def test_package_row_of_a_source_that_it_is_not_made_from_is_refused(build: Paths) -> None:
    rewrite(build, LAST, lambda row: replace(row, source="elsewhere"))
    with pytest.raises(BuildError, match="name the source 'elsewhere', but .* made from alpaca"):
        package("datasets/alpaca-sit")


def test_package_takes_no_path_of_this_machine_along(
    build: Paths, release: Path, tmp_path: Path
) -> None:
    path = tmp_path / "params.yaml"
    params = yaml.safe_load(path.read_text("utf-8"))
    params["sources"]["alpaca"] = {"path": "/disk/somebody/mine.json"}
    path.write_text(yaml.safe_dump(params), "utf-8")
    package("datasets/alpaca-sit")
    for content in files_of(release).values():
        assert b"somebody" not in content and str(tmp_path).encode() not in content


def test_package_manifest_holds_the_settings_and_prompts_that_made_it(
    build: Paths, release: Path
) -> None:
    package("datasets/alpaca-sit")
    found = manifest(release)
    assert found["lineage"] == ["sources/alpaca", "sequences/alpaca-1", "sequences/alpaca-2", LAST]
    assert [one["made_by"] for one in found["tables"]] == [
        "fetch",
        "sequence",
        "sequence",
        "respond",
    ]
    assert found["tables"][2]["settings"] == {"reads": "sequences/alpaca-1"}
    assert found["tables"][2]["parents"] == ["sequences/alpaca-1"]
    parameters = found["parameters"]
    assert parameters["attempts"] == 3
    assert parameters["generators"]["model"]["sampling"]["temperature"] == 1.0
    assert parameters["sources"]["alpaca"]["repo"] == "yahma/alpaca-cleaned"
    assert found["prompts"] == []  # this build asks without demonstrations


def write_pictures(build: Paths, root: Path, rows: int, size: int) -> None:
    """A finished build of `vqa-sit` with pictures of `size` bytes, and no replies."""
    path = root / "params.yaml"
    params = yaml.safe_load(path.read_text("utf-8"))
    params["sources"] |= {name: {"path": "inputs"} for name in ("vqa", "captions")}
    params["captioned"] = {
        "vqa-sit": {"method": "describe", "reads": "sources/vqa", "captions": "sources/captions"}
    }
    params["packages"]["datasets"] = ["vqa-sit"]
    path.write_text(yaml.safe_dump(params), "utf-8")
    path = root / "profiles/sample.yaml"
    profile = yaml.safe_load(path.read_text("utf-8"))
    sample = yaml.safe_load((ROOT / "profiles/sample.yaml").read_text("utf-8"))
    for name in ("vqa", "captions"):
        profile["sources"][name] = sample["sources"][name]
    path.write_text(yaml.safe_dump(profile), "utf-8")
    found = [
        Row(
            id=f"vqa:{number:06}",
            instruction="Answer the input question based on the image",
            input="What is it?",
            output="a cat",
            source="vqa",
            origin=Origin("world", "0", number),
            image=Picture(random.Random(number).randbytes(size), f"{number}.png"),
        )
        for number in range(rows)
    ]
    made = [
        row.after("caption", "composed", option="describe", output="A cat.\na cat", tasks=2)
        for row in found
    ]
    captions = replace(found[0], id="captions:0", source="captions", image=None)
    for reference, table in (
        ("sources/vqa", found),
        ("sources/captions", [captions]),
        ("datasets/vqa-sit", made),
    ):
        with RowWriter(
            build.table(reference), SCHEMA_WITH_IMAGE if table[0].image else SCHEMA
        ) as out:
            out.write(table)
        write_quarantine(build.table(reference), [])
        counts = {"rows_in": len(table), "rows_out": len(table), "sampled_out": 0, "quarantined": 0}
        build.metrics(reference).write_text(json.dumps(counts), "utf-8")
    write_records(build.ledger_export("datasets/vqa-sit"), EXPORT, [], key="key")
    write_audit(build, "vqa-sit")


def test_package_pictures_are_in_the_shards_and_no_ledger_where_no_model_was_asked(
    build: Paths, tmp_path: Path
) -> None:
    write_pictures(build, tmp_path, rows=5, size=100)
    package("datasets/vqa-sit")
    release = build.folder("release", "datasets/vqa-sit")
    assert sorted(files_of(release)) == [
        "README.md",
        "data/train-00000-of-00001.parquet",
        "manifest.json",
    ]
    released = list(read_rows(release / "data/train-00000-of-00001.parquet"))
    assert released == list(read_rows(build.table("datasets/vqa-sit")))
    found = header_of(release)
    assert [one["config_name"] for one in found["configs"]] == ["default"]
    assert found["dataset_info"][0]["features"][-1] == {"name": "image", "dtype": "image"}
    assert found["task_categories"] == ["visual-question-answering"]
    assert "No model was asked for anything" in card_of(release)
    assert "Its picture, 100 bytes, is left out here." in card_of(release)
    assert [one["gives"] for one in manifest(release)["sources"]] == ["captions", "rows"]
    assert [one["of"] for one in manifest(release)["licences"]] == [
        "source captions",
        "source vqa",
    ]


def test_package_pictures_are_cut_into_shards_by_what_they_take(
    build: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(build, tmp_path, rows=27, size=1_000_000)  # 9 rows to a row group of 8 MiB
    monkeypatch.setattr(shards, "SHARD_GROUPS", 2)
    package("datasets/vqa-sit")
    data = build.folder("release", "datasets/vqa-sit") / "data"
    paths = sorted(data.iterdir())
    assert [pq.read_metadata(path).num_rows for path in paths] == [18, 9]
    ids = [id for path in paths for id in pq.read_table(path, columns=["id"])["id"].to_pylist()]
    assert ids == [f"vqa:{number:06}" for number in range(27)]


@pytest.mark.parametrize(
    "missing",
    [
        "audit/alpaca-sit/validation.json",
        "datasets/alpaca-sit.parquet",
        "datasets/alpaca-sit.ledger.parquet",
        "sequences/alpaca-1.ledger.parquet",
        "sequences/alpaca-2.quarantine.parquet",
        "sources/alpaca.metrics.json",
    ],
)
def test_package_missing_input_is_named_and_the_old_release_stays(
    build: Paths, release: Path, missing: str
) -> None:
    package("datasets/alpaca-sit")
    before = files_of(release)
    (build.root / missing).unlink()
    with pytest.raises(BuildError, match=re.escape(f"{missing}: no such file")):
        package("datasets/alpaca-sit")
    assert files_of(release) == before
    assert not list(release.parent.glob(".*"))


def test_package_audit_of_other_rows_is_refused(build: Paths) -> None:
    write_audit(build, statistics={"rows": 11})
    with pytest.raises(
        BuildError, match="is about 11 rows of 'alpaca-sit', but the release has 12"
    ):
        package("datasets/alpaca-sit")


def test_package_broken_audit_is_refused(build: Paths) -> None:
    write_audit(build, checks=[{"name": "half"}])
    with pytest.raises(BuildError, match=r"validation.json: not an audit"):
        package("datasets/alpaca-sit")


def test_package_rows_that_are_unaccounted_for_are_refused(build: Paths) -> None:
    write_counts(build, {"rows_in": 13, "rows_out": 13, "sampled_out": 0, "quarantined": 0})
    with pytest.raises(BuildError, match=r"13 rows came in, but 12 went out"):
        package("datasets/alpaca-sit")


def test_package_dataset_not_listed_is_refused(build: Paths) -> None:
    with pytest.raises(BuildError, match="No package is called 'datasets/alpaca-it'"):
        package("datasets/alpaca-it")


def test_package_licences_that_contradict_each_other_are_refused(
    build: Paths, tmp_path: Path
) -> None:
    come_from(build, "yahma/alpaca-cleaned", "1" * 40)
    path = tmp_path / "profiles/sample.yaml"
    profile = yaml.safe_load(path.read_text("utf-8"))
    profile["generator"]["licence"] = "cc-by-sa-4.0"
    path.write_text(yaml.safe_dump(profile), "utf-8")
    with pytest.raises(
        BuildError,
        match="generator model has the licence 'cc-by-sa-4.0', .* source alpaca has 'cc-by-nc-4.0'",
    ):
        package("datasets/alpaca-sit")


def test_card_of_replies_of_llama_3_says_what_its_licence_asks_for(
    build: Paths, release: Path, tmp_path: Path
) -> None:
    come_from(build, "yahma/alpaca-cleaned", "1" * 40)
    path = tmp_path / "profiles/sample.yaml"
    profile = yaml.safe_load(path.read_text("utf-8"))
    profile["generator"]["licence"] = "llama3"
    path.write_text(yaml.safe_dump(profile), "utf-8")
    package("datasets/alpaca-sit")
    assert header_of(release)["license"] == "cc-by-nc-4.0"
    assert "**Built with Meta Llama 3.**" in card_of(release).split("## A row")[0]
    assert "begins with `Llama 3`" in card_of(release)
    assert "- generator model: `llama3`" in card_of(release)


def test_card_shows_the_overlap_with_each_test_set_that_has_items(
    build: Paths, release: Path
) -> None:
    package("datasets/alpaca-sit")
    section = card_of(release).split("## Overlap with benchmarks")[1].split("## ")[0]
    assert "| `mgsm` | 250 | 249 | 2 | 3 |" in section
    assert "gqa" not in section
    write_audit(build, statistics={"rows": 12})
    package("datasets/alpaca-sit")
    assert "The audit compared the rows with no test set." in card_of(release)


def test_card_says_what_was_changed_in_rows_on_the_way_in(build: Paths, release: Path) -> None:
    counts = {"rows_in": 12, "rows_out": 12, "sampled_out": 0, "quarantined": 0}
    write_counts(build, counts | {"turns_dropped": 1_090, "inputs_cleared": 0})
    package("datasets/alpaca-sit")
    assert "Changed on the way in, in `alpaca`: turns dropped 1,090.\n" in card_of(release)


def test_package_unknown_licence_is_refused(build: Paths, tmp_path: Path) -> None:
    come_from(build, "yahma/alpaca-cleaned", "1" * 40)
    path = tmp_path / "profiles/sample.yaml"
    path.write_text(path.read_text("utf-8").replace("cc-by-nc-4.0", "mine-1.0"))
    with pytest.raises(BuildError, match=r"source alpaca is 'mine-1.0'"):
        package("datasets/alpaca-sit")


def test_card_takes_the_strictest_licence_and_names_the_upstream_repository(
    build: Paths, release: Path
) -> None:
    come_from(build, "yahma/alpaca-cleaned", "1" * 40)
    package("datasets/alpaca-sit")
    assert header_of(release)["license"] == "cc-by-nc-4.0"
    assert header_of(release)["source_datasets"] == ["yahma/alpaca-cleaned"]
    assert "Stanford {Alpaca}" in card_of(release)
    assert "No language model" not in card_of(release)


def test_card_of_rows_from_a_file_states_no_licence_for_them(build: Paths, release: Path) -> None:
    come_from(build, "mine.json", "2" * 64)
    package("datasets/alpaca-sit")
    assert header_of(release)["license"] == "unknown"
    assert "source_datasets" not in header_of(release)
    assert "`mine.json`" in card_of(release)


def test_card_of_rows_from_a_source_of_files_states_the_licence_of_its_profile(
    build: Paths, release: Path, tmp_path: Path
) -> None:
    come_from(build, "mine.json", "2" * 64)
    path = tmp_path / "profiles/sample.yaml"
    path.write_text(path.read_text("utf-8").replace("origin: hub", "origin: file"), "utf-8")
    package("datasets/alpaca-sit")
    assert header_of(release)["license"] == "cc-by-nc-4.0"


def test_card_of_the_built_in_world_says_that_no_model_had_a_part(
    build: Paths, release: Path, tmp_path: Path
) -> None:
    # The replies of this build are a model's; those of the sample profile name the engine `world`.
    package("datasets/alpaca-sit")
    assert "**The rows are generated.**" in card_of(release)
    assert header_of(release)["pretty_name"] == "Alpaca-SIT (built-in world)"
    for reference in ("sequences/alpaca-1", "sequences/alpaca-2", LAST):
        path = build.ledger_export(reference)
        records = pq.read_table(path).to_pylist()
        shards.write_shards(
            path.with_name("world"),
            pq.read_schema(path),
            "key",
            [record | {"engine": '{"engine":"world"}'} for record in records],
            [len(records)],
        )
        path.with_name("world-00000-of-00001.parquet").replace(path)
    package("datasets/alpaca-sit")
    assert "**No language model had a part in this.**" in card_of(release)


def test_card_counts_what_the_history_says(build: Paths, release: Path) -> None:
    package("datasets/alpaca-sit")
    found = {
        (one["iteration"], one["outcome"], one["option"]): one["rows"]
        for one in manifest(release)["outcomes"]
    }
    expected: dict = {}
    for row in rows_of(build):
        for event in row.history:
            key = (event.iteration, event.outcome, event.option)
            expected[key] = expected.get(key, 0) + 1
    assert found == expected
    for (iteration, outcome, option), rows in expected.items():
        if iteration:
            table = f"`sequences/alpaca-{iteration}`"
            assert f"| {table} | {iteration} | `{option}` | `{outcome}` | {rows} |" in card_of(
                release
            )
    assert f"| `{LAST}` | - | - | `answered` | 12 | 100.0 % |" in card_of(release)


def test_card_lists_quarantined_rows_by_table_and_reason(build: Paths, release: Path) -> None:
    quarantine_first(build, "unanswered: truncated")
    package("datasets/alpaca-sit")
    assert "| `datasets/alpaca-sit` | `unanswered: truncated` | 1 |" in card_of(release)
    assert manifest(release)["rows"] == 11


def test_card_shows_a_failed_check(build: Paths, release: Path) -> None:
    write_audit(build, success=False, checks=[CHECK | {"success": False, "observed": "3 of 12"}])
    package("datasets/alpaca-sit")
    assert "1 checks ran; 1 failed." in card_of(release)
    assert "| No output is blank. | error | **no** | 3 of 12 | none |" in card_of(release)


def test_card_pins_the_tag_when_the_release_goes_to_the_hub(
    build: Paths, release: Path, tmp_path: Path
) -> None:
    write_profile(tmp_path, releasable=True, target="hub", namespace="tester", tag="v2.1")
    package("datasets/alpaca-sit")
    assert 'load_dataset("tester/alpaca-sit", revision="v2.1", split="train")' in card_of(release)


HOSTILE = (
    "```\n\n# Injected\n\n<script>alert(1)</script>\n````` ~~~\n---\nlicense: mit\n---\n"
    "| a | b |\n\u202egnorw\u2028{{ manifest }}{% raw %}\x00\x1b[31m"
)


def test_card_text_written_by_a_model_stays_inside_the_fence(build: Paths, release: Path) -> None:
    package("datasets/alpaca-sit")
    honest = MarkdownIt("gfm-like", {"linkify": False}).parse(card_of(release).split("---\n", 2)[2])
    rewrite(build, LAST, lambda row: replace(row, output=HOSTILE, instruction=HOSTILE))
    package("datasets/alpaca-sit")
    hostile = MarkdownIt("gfm-like", {"linkify": False}).parse(
        card_of(release).split("---\n", 2)[2]
    )
    assert [token.type for token in hostile] == [token.type for token in honest]
    assert "\u202e" not in card_of(release) and "\x1b" not in card_of(release)
    shown = next(token for token in hostile if token.type == "fence" and token.info == "json")
    example = json.loads(shown.content)
    row = next(row for row in rows_of(build) if row.id == example["id"])
    assert example == json.loads(json.dumps(to_record(row)))


def test_card_reason_with_markdown_in_it_stays_in_its_cell(build: Paths, release: Path) -> None:
    quarantine_first(build, "x | y `` \n# Injected <b>")
    package("datasets/alpaca-sit")
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(card_of(release).split("---\n", 2)[2])
    headings = [tokens[i + 1].content for i, one in enumerate(tokens) if one.type == "heading_open"]
    assert "Injected" not in " ".join(headings)
    (cell,) = [
        token.content for token in tokens if token.type == "inline" and "Injected" in token.content
    ]
    assert "x | y" in cell
