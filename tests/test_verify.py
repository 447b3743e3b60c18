"""Verification: what a release is told to be, and that no model is asked for it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
import yaml

from stages import fetch, respond, sequence
from stages.config.errors import BuildError
from stages.config.load import load_settings
from stages.config.paths import Paths
from stages.config.settings import Settings
from stages.hub.manifest import MANIFEST, DatasetManifest, ModelManifest, read_manifest
from stages.hub.parts import Trained, describe_parquet
from stages.hub.provenance import PROVENANCE
from stages.hub.pull.check import Checked, check_release
from stages.hub.pull.pull import Release
from stages.package import package
from stages.quality.summary import as_text
from stages.rows.logical import logical_hash
from stages.rows.measure import write_metrics
from stages.rows.parquet import file_hash, read_rows
from stages.verify.checkout import other_than
from stages.verify.find import find_release
from stages.verify.project import Project, make_project, scratch_folder, settings_for
from stages.verify.sides import compare_release
from stages.verify.verify import Verdict, verify
from tests.conftest import ROOT
from tests.loopback_llm import LoopbackLLM
from tests.quality_tree import keep_alpaca

NAME = "datasets/alpaca-sit"
RELEASE = Path("data/sample/release") / NAME
DATA = "data/train-00000-of-00001.parquet"
LEDGER = "ledger/ledger-00000-of-00001.parquet"
COMMIT = "12567cabf869d7c92e573c7c783905fc160e9639"


def write_settings(**generator: Any) -> None:
    """A project of Alpaca alone, with 40 rows of the built-in world."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    profile = yaml.safe_load((ROOT / "profiles" / "sample.yaml").read_text("utf-8"))
    keep_alpaca(params, profile)
    params["packages"] = {"datasets": ["alpaca-sit"], "models": []}
    profile["sources"]["alpaca"]["rows"] = 40
    profile["generator"] |= generator
    Path("profiles").mkdir()
    Path("inputs").mkdir()
    write_yaml("params.yaml", params)
    write_yaml("profiles/sample.yaml", profile)


def read_yaml(path: str) -> Any:
    return yaml.safe_load(Path(path).read_text("utf-8"))


def write_yaml(path: str, content: Any) -> None:
    Path(path).write_text(yaml.safe_dump(content), "utf-8")


def build() -> None:
    """Build the dataset with the settings in the current folder, and package it."""
    fetch.main("alpaca")
    sequence.sequence("alpaca-1")
    sequence.sequence("alpaca-2")
    respond.answer("alpaca-sit")
    audit = {"dataset": "alpaca-sit", "checks": [], "statistics": {"rows": 40}}
    write_metrics(Paths("sample").folder("audit", "alpaca-sit") / "validation.json", audit)
    package(NAME)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has built and packaged its dataset."""
    folder = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("SEQSMITH_LEDGER", "ledger/ledger.sqlite")
        write_settings()
        build()
    return folder


@pytest.fixture
def project(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of it as the current folder, with a local ledger that must not be used."""
    folder = tmp_path / "project"
    shutil.copytree(built, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SEQSMITH_LEDGER", str(folder / "ledger/ledger.sqlite"))
    before = file_hash(Path("ledger/ledger.sqlite"))
    yield folder
    assert file_hash(folder / "ledger/ledger.sqlite") == before


def manifest() -> DatasetManifest:
    found = read_manifest(RELEASE)
    assert isinstance(found, DatasetManifest)
    return found


def change_manifest(**update: Any) -> None:
    """Change the manifest as somebody would who could have made the release so."""
    path = RELEASE / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_bytes()) | update), "utf-8")


def change(file: str, how: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Change a table of the release, and its entry in the manifest with it."""
    path = RELEASE / file
    schema = pq.read_schema(path)
    table = how(pl.read_parquet(path)).to_arrow().cast(schema)
    pq.write_table(table, path, compression="zstd")
    list_again(file)


def list_again(file: str) -> None:
    """Let the manifest say of a table what it is now."""
    part = file.partition("/")[0]
    entry = describe_parquet(RELEASE, RELEASE / file).model_dump()
    more = {"rows": entry["rows"]} if part == "data" else {}
    change_manifest(**{part: [entry]}, **more)


def at_row(column: str, row: int, value: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Another value of a column in one row."""
    is_it = pl.int_range(pl.len()) == row
    return lambda frame: frame.with_columns(
        pl.when(is_it).then(pl.lit(value)).otherwise(pl.col(column)).alias(column)
    )


def compared(settings: Settings | None = None) -> tuple[bool, str]:
    """The verdict about the release as it is now, with the build that made it as the rebuild."""
    same, found = compare_release(RELEASE, manifest(), Project(Path(), settings or load_settings()))
    return same, as_text(found)


def publish_at(commit: str) -> None:
    """Give the release what publishing adds to it."""
    provenance = {
        "git_commit": commit,
        "git_dirty": True,
        "dvc_lock_sha256": None,
        "manifest_sha256": file_hash(RELEASE / MANIFEST),
    }
    (RELEASE / PROVENANCE).write_text(json.dumps(provenance), "utf-8")


def told(verdict: Verdict) -> str:
    return as_text(verdict.shown)


# What two sides are said to be. The build itself stands for the rebuild: it takes no time.


def test_the_same_files_are_bit_for_bit(project: Path) -> None:
    same, text = compared()
    replies = manifest().ledger[0].rows
    assert same
    assert text == (
        f"{NAME}: bit for bit: 40 rows and {replies} replies have the bytes of the release.\n"
    )


@pytest.mark.parametrize("file", [DATA, LEDGER])
def test_another_compression_is_the_same_content_by_another_writer(
    project: Path, file: str
) -> None:
    pq.write_table(pq.read_table(RELEASE / file), RELEASE / file, compression="snappy")
    list_again(file)
    same, text = compared()
    text = " ".join(text.split())
    assert same
    assert "same content, other bytes: 40 rows" in text
    writer = f"parquet-cpp-arrow version {pq.core.__dict__['pa'].__version__}"
    assert f"writer {writer}, SNAPPY, row groups of" in text
    assert f"against {writer}, ZSTD, row groups of" in text


def test_other_files_of_the_same_rows_are_the_same_content(project: Path) -> None:
    table = pq.read_table(RELEASE / DATA)
    entries = []
    for number, part in enumerate((table.slice(0, 15), table.slice(15))):
        path = RELEASE / f"data/train-0000{number}-of-00002.parquet"
        pq.write_table(part, path, compression="zstd")
        entries.append(describe_parquet(RELEASE, path).model_dump())
    (RELEASE / DATA).unlink()
    change_manifest(data=entries)
    same, text = compared()
    assert same, text
    assert ", 2 files against" in " ".join(text.split())


def test_a_changed_row_is_named_with_its_reason(project: Path) -> None:
    row = list(read_rows(RELEASE / DATA))[7]
    change(DATA, at_row("output", 7, "Something else."))
    same, text = compared()
    assert not same
    assert text.startswith(f"{NAME}: other rows: these sources, this ledger and this checkout")
    assert "1  changed" in text and "39  same" in text
    assert f"{row.id}  changed, parser" in text
    assert "Something else." in text


def test_rows_missing_and_added_are_named(project: Path) -> None:
    rows = list(read_rows(RELEASE / DATA))
    change(DATA, lambda frame: frame.slice(1))
    same, text = compared()
    assert not same
    assert "1  added" in text and rows[0].id in text


def test_messages_that_say_something_else_are_told(project: Path) -> None:
    first = list(read_rows(RELEASE / DATA))[0].id
    is_first = pl.int_range(pl.len()) == 0
    turned = pl.col("messages").list.reverse()
    change(
        DATA,
        lambda frame: frame.with_columns(
            pl.when(is_first).then(turned).otherwise(pl.col("messages")).alias("messages")
        ),
    )
    same, text = compared()
    assert not same
    assert f"rows: 1 with another messages; the first: {first}" in text


def test_columns_of_another_type_are_told(project: Path) -> None:
    table = pq.read_table(RELEASE / DATA)
    table = table.append_column("further", pl.Series(["x"] * 40).to_arrow())
    pq.write_table(table, RELEASE / DATA)
    list_again(DATA)
    same, text = compared()
    assert not same
    assert "rows: 40 with another further" in text


def test_replies_that_make_nothing_are_told(project: Path) -> None:
    def more(frame: pl.DataFrame) -> pl.DataFrame:
        return pl.concat([frame.head(1).with_columns(pl.lit("0" * 64).alias("key")), frame])

    change(LEDGER, more)
    same, text = compared()
    assert not same
    assert text.startswith(f"{NAME}: other replies: its rows are made again, but with other")
    assert f"ledger: 1 in the release alone; the first: {'0' * 64}" in " ".join(text.split())


def test_a_reply_that_is_there_twice_is_told(project: Path) -> None:
    change(LEDGER, lambda frame: pl.concat([frame.head(1), frame]))
    same, text = compared()
    assert not same
    assert "ledger: 1 in the release alone" in text


def test_a_file_that_is_no_parquet_is_told(project: Path) -> None:
    entry = manifest().data[0].model_dump()
    (RELEASE / DATA).write_bytes(b"PAR1 and nothing else")
    change_manifest(data=[entry | {"sha256": file_hash(RELEASE / DATA)}])
    with pytest.raises(BuildError, match="not a readable Parquet file"):
        compared()


# What this checkout is said to be.


def others(**update: Any) -> list[str]:
    return other_than(manifest().model_copy(update=update), load_settings())


def test_the_checkout_that_made_it_is_not_another(project: Path) -> None:
    assert others() == []


def test_another_prompt_is_told_by_both_hashes(project: Path) -> None:
    prompts = [one.model_copy(update={"sha256": "ab" * 32}) for one in manifest().prompts]
    found = others(prompts=prompts)
    assert len(found) == len(prompts) > 1
    assert found[0].startswith("prompt seq_instruct/classify: release abababababab, here ")


def test_a_prompt_that_is_a_path_is_not_read(project: Path) -> None:
    Path("secret.yaml").write_text("secret", "utf-8")
    name = os.path.relpath(Path("secret").resolve(), ROOT / "stages/prompts")
    digest = file_hash(Path("secret.yaml"))
    one = manifest().prompts[0].model_copy(update={"name": name, "sha256": digest})
    assert others(prompts=[one]) == [f"prompt {name}: release {digest[:12]}, here nothing"]


def test_another_setting_is_told_by_both_values(project: Path) -> None:
    profile = read_yaml("profiles/sample.yaml")
    profile["sources"]["alpaca"]["rows"] = 41
    profile["generator"]["sampling"]["temperature"] = 0.5
    profile["generator"]["licence"] = "mit"
    write_yaml("profiles/sample.yaml", profile)
    params = read_yaml("params.yaml")
    params["sequences"]["alpaca-2"]["reads"] = "sources/alpaca"
    write_yaml("params.yaml", params)
    found = others()
    assert "parameter sources alpaca rows: release 40, here 41" in found
    assert "parameter generators world sampling temperature: release 1.0, here 0.5" in found
    assert "sequences/alpaca-2 reads: release sequences/alpaca-1, here sources/alpaca" in found
    assert not any("licence" in one for one in found)


def test_another_world_and_another_library_are_told(project: Path) -> None:
    models = [one.model_copy(update={"revision": "f" * 40}) for one in manifest().models]
    libraries = manifest().libraries | {"pyarrow": "1.0.0"}
    found = others(models=models, libraries=libraries)
    assert found[0].startswith(f"model of sequences/alpaca-1: release world {'f' * 12}, here world")
    assert any(one.startswith("library pyarrow: release 1.0.0, here ") for one in found)


def test_what_a_manifest_says_is_shown_on_one_line_without_escapes(project: Path) -> None:
    found = others(libraries=manifest().libraries | {"\x1b[2J\nx": "\x1b]0;taken\x07\n"})
    assert len(found) == 1
    assert "\x1b" not in found[0] and "\n" not in found[0] and "\x07" not in found[0]


# Which release is meant, and where it is rebuilt.


def test_names_and_folders_mean_the_same_release(project: Path) -> None:
    meant = [find_release(one).folder for one in ("alpaca-sit", NAME, str(RELEASE))]
    assert meant == [RELEASE] * 3
    shutil.move(RELEASE, Path("data/sample/published") / NAME)
    assert find_release(NAME).folder == Path("data/sample/published") / NAME


@pytest.mark.parametrize(
    "target", ["owner/alpaca-sit", "owner/alpaca-sit@v1.0", "datasets/owner/alpaca-sit@v1.0"]
)
def test_everything_else_is_pulled(
    project: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    asked: list[str] = []

    def pulled(text: str, to: Path | None) -> Release:
        asked.append(text)
        return Release(check_release(RELEASE), [], [])

    monkeypatch.setattr("stages.verify.find.pull", pulled)
    assert find_release(target).folder == RELEASE
    assert asked == [target]


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("alpaca-sitt", "Did you mean 'datasets/alpaca-sit'"),
        ("alpaca-it", "datasets/alpaca-it has no release in data/sample/release/datasets"),
        ("models/alpaca-it", "models/alpaca-it has no release in"),
        ("inputs", "manifest.json"),
    ],
)
def test_no_release_is_told(project: Path, target: str, sentence: str) -> None:
    with pytest.raises(BuildError, match=sentence):
        verify(target)


@pytest.mark.parametrize("file", [DATA, LEDGER, "README.md"])
def test_a_changed_byte_is_named_by_its_file_and_nothing_is_rebuilt(
    project: Path, file: str, capfd: pytest.CaptureFixture[str]
) -> None:
    content = bytearray((RELEASE / file).read_bytes())
    content[len(content) // 2] ^= 1
    (RELEASE / file).write_bytes(content)
    with pytest.raises(BuildError, match=f"changed: {file}"):
        verify(NAME)
    assert "fetch" not in capfd.readouterr().err


def test_a_page_that_cannot_be_read_is_told(project: Path) -> None:
    entry = manifest().ledger[0].model_dump()
    content = bytearray((RELEASE / LEDGER).read_bytes())
    content[200:260] = bytes(60)
    (RELEASE / LEDGER).write_bytes(content)
    change_manifest(ledger=[entry | {"sha256": file_hash(RELEASE / LEDGER)}])
    with pytest.raises(BuildError, match="not a readable Parquet file|belong to its key"):
        verify(NAME)


def test_a_reply_under_a_foreign_key_is_refused(project: Path) -> None:
    change(LEDGER, at_row("prompt", 3, "Another question."))
    with pytest.raises(BuildError, match="record 3 does not belong to its key"):
        verify(NAME)


@pytest.mark.parametrize(
    ("update", "sentence"),
    [
        ({"profile": "../../etc"}, "the profile '../../etc', which this checkout does not have"),
        ({"name": "../alpaca-it"}, "the dataset '../alpaca-it', which params.yaml does not have"),
    ],
)
def test_names_of_a_manifest_that_lead_elsewhere_are_refused(
    project: Path, update: dict[str, str], sentence: str
) -> None:
    change_manifest(**update)
    with pytest.raises(BuildError, match=sentence):
        verify(str(RELEASE))


@pytest.mark.parametrize("profile", ["sample", "laptop", "paper"])
def test_project_is_the_profile_with_the_ledger_in_place_of_models(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    """Read back, the settings are valid, and say the same but for models and places."""
    released = manifest().model_copy(update={"profile": profile})
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    shutil.copytree(ROOT / "profiles", "profiles", dirs_exist_ok=True)
    shutil.copytree(ROOT / "showcase", "showcase")
    root = tmp_path / "scratch"
    made = make_project(root, settings_for(released, root), released)
    assert load_settings(root) == made.settings
    build = made.settings.build
    assert build.profile == profile
    assert {made.settings.generator(one)[1].engine for one in build.tables} == {"replay"}
    assert build.sources["alpaca"].path == str(Path("inputs").resolve())
    assert made.settings.profile.generators["showcase"].ledger == str(
        Path("showcase/ledger.parquet").resolve()
    )


def test_hub_source_is_fetched_at_the_commit_of_the_release(project: Path, tmp_path: Path) -> None:
    released = manifest()
    origin = {"kind": "hub", "repo": "owner/name", "revision": COMMIT}
    source = released.sources[0].model_dump() | {"origins": [origin]}
    change_manifest(sources=[source])
    profile = read_yaml("profiles/sample.yaml")
    profile["sources"]["alpaca"] |= {"origin": "hub", "repo": "owner/name", "revision": "main"}
    write_yaml("profiles/sample.yaml", profile)
    made = make_project(tmp_path / "scratch", load_settings(), manifest())
    assert made.settings.profile.sources["alpaca"].revision == COMMIT


def test_scratch_folder_is_gone_afterwards_or_stays_where_it_is_named(tmp_path: Path) -> None:
    with scratch_folder(None) as folder:
        (folder / "x").write_text("x", "utf-8")
    assert not folder.exists()
    with scratch_folder(tmp_path / "kept") as folder:
        (folder / "x").write_text("x", "utf-8")
    assert (tmp_path / "kept/x").is_file()
    with pytest.raises(BuildError, match="not empty"), scratch_folder(tmp_path / "kept"):
        pass


# A model: its files are checked when it is found; its dataset is known by hash.


def model_of(dataset: str, sha256: str, logical: str = "", profile: str = "sample") -> Checked:
    trained = Trained(
        base="base/tiny",
        base_revision="",
        dataset=dataset,
        dataset_sha256=sha256,
        dataset_logical_sha256=logical,
        dataset_address=None,
        chained=0,
        languages={},
        settings={},
        counts={},
        versions={},
    )
    found = ModelManifest.model_construct(
        name="alpaca-sit", profile=profile, trained=trained, weights=[], notices=[], card=None
    )
    return Checked(Path("model"), found, "", None, None, [])


@pytest.mark.parametrize(
    ("hashes", "same", "sentence"),
    [
        (lambda file, logical: (file, logical), True, "alpaca-sit.parquet is it, bit for bit"),
        (lambda file, logical: ("0" * 64, logical), True, "has the same content, other bytes"),
        (lambda file, logical: ("0" * 64, "0" * 64), False, "has other content"),
    ],
)
def test_dataset_of_a_model_is_told_by_its_hash(
    project: Path, monkeypatch: pytest.MonkeyPatch, hashes: Any, same: bool, sentence: str
) -> None:
    table = Paths("sample").table(NAME)
    model = model_of("alpaca-sit", *hashes(file_hash(table), logical_hash(table)))
    monkeypatch.setattr("stages.verify.verify.find_release", lambda _: model)
    found = verify("models/alpaca-sit")
    assert found.holds == same
    assert sentence in " ".join(told(found).split())
    assert "It was not trained again" in told(found)


def test_dataset_of_a_model_that_is_no_name_of_ours_is_not_read(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for model in (model_of("../../../../secret", "0" * 64), model_of("alpaca-sit", "", "", "../x")):
        monkeypatch.setattr("stages.verify.verify.find_release", lambda _, model=model: model)
        found = verify("models/alpaca-sit")
        assert found.holds
        assert "not built here, so it was not compared" in " ".join(told(found).split())


# The whole, with the stages in processes of their own.


def make_way() -> None:
    """Leave nothing of the build but its release."""
    for path in Path("data/sample").iterdir():
        if path.name != "release":
            shutil.rmtree(path)


@pytest.mark.pipeline
def test_release_is_made_again_bit_for_bit_and_no_model_is_asked(
    project: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make_way()
    before = sorted(project.rglob("*"))
    found = verify(str(RELEASE), tmp_path / "kept")
    assert found.holds
    assert "bit for bit: 40 rows" in told(found)
    said = capfd.readouterr().err
    steps = ["fetch alpaca", "sequence alpaca-1", "sequence alpaca-2", "respond alpaca-sit"]
    assert [line for line in said.splitlines() if line.startswith("[")] == [
        f"[{number}/4] {step}" for number, step in enumerate(steps, start=1)
    ]
    assert said.count(" 0 requests asked") == 3
    assert "not what made" not in said
    assert sorted(project.rglob("*")) == before
    assert (tmp_path / "kept/data/sample/datasets/alpaca-sit.parquet").is_file()


@pytest.mark.pipeline
def test_replies_of_a_served_model_are_replayed_and_the_server_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its replies are of no use to the steps: rows are held, after as many attempts again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQSMITH_LEDGER", "ledger/ledger.sqlite")
    with LoopbackLLM() as server:
        write_settings(name="loopback")
        profile = read_yaml("profiles/sample.yaml")
        profile["runtime"] |= {
            "engine": "openai",
            "openai": {
                "url": server.url,
                "key_variable": "",
                "concurrency": 8,
                "requests_per_minute": None,
                "timeout": 20.0,
                "patience": 20.0,
            },
        }
        write_yaml("profiles/sample.yaml", profile)
        build()
        asked, probes = server.requests, server.probes
        assert asked >= 40
        found = verify(NAME)
        assert (server.requests, server.probes) == (asked, probes)
    assert found.holds
    assert "bit for bit" in told(found)


@pytest.mark.pipeline
def test_a_changed_reply_is_told_by_the_row_that_it_makes(project: Path) -> None:
    row = list(read_rows(RELEASE / DATA))[5]
    key = row.history[-1].requests[-1]
    answer = pl.when(pl.col("key") == key).then(pl.lit("Nobody said so."))
    change(
        LEDGER, lambda frame: frame.with_columns(answer.otherwise(pl.col("reply")).alias("reply"))
    )
    found = verify(NAME)
    assert not found.holds
    assert f"{row.id}  changed, parser" in told(found)
    assert "Nobody said so." in told(found) and "39  same" in told(found)


@pytest.mark.pipeline
def test_a_missing_reply_stops_the_rebuild_with_its_request(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    row = list(read_rows(RELEASE / DATA))[5]
    key = row.history[-1].requests[-1]
    change(LEDGER, lambda frame: frame.filter(pl.col("key") != key))
    publish_at("main; echo taken")  # which is no commit, and must not become a command
    with pytest.raises(BuildError, match="stopped at `respond alpaca-sit`") as stopped:
        verify(NAME)
    said = capfd.readouterr().err
    assert "replay: 1 of the first requests have no reply in the ledger" in said
    assert key[:16] in said
    assert "git checkout" not in str(stopped.value) and "taken" not in str(stopped.value)


@pytest.mark.pipeline
def test_a_file_of_the_user_is_the_source_and_another_one_is_told(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"instruction": f"Count the letters of word {n}.", "input": "pear", "output": "4"}
        for n in range(12)
    ]
    Path("inputs/alpaca.json").write_text(json.dumps(rows), "utf-8")
    shutil.rmtree("data")
    ledger = shutil.copy("ledger/ledger.sqlite", "before.sqlite")
    fetch.main("alpaca")
    for iteration in (1, 2):
        sequence.sequence(f"alpaca-{iteration}")
    respond.answer("alpaca-sit")
    shutil.move(ledger, "ledger/ledger.sqlite")
    audit = {"dataset": "alpaca-sit", "checks": [], "statistics": {"rows": 12}}
    write_metrics(Paths("sample").folder("audit", "alpaca-sit") / "validation.json", audit)
    package(NAME)
    make_way()
    assert "bit for bit: 12 rows" in told(verify(NAME))
    Path("inputs/alpaca.json").write_text(json.dumps(rows[1:]), "utf-8")
    with pytest.raises(BuildError, match="The source alpaca is another: .* alpaca.json at") as stop:
        verify(NAME)
    assert (
        "sequence"
        not in capfd.readouterr().err.partition("replies taken")[2].partition("replies taken")[2]
    )
    assert str(stop.value).count("alpaca.json") == 2


@pytest.mark.pipeline
def test_a_changed_prompt_is_told_before_it_stops_the_rebuild(
    project: Path, tmp_path: Path
) -> None:
    """In a copy of the code, as a checkout at another commit has it."""
    code = tmp_path / "code"
    shutil.copytree(ROOT / "stages", code / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    prompt = code / "stages/prompts/seq_instruct/classify.yaml"
    prompt.write_text(prompt.read_text("utf-8").replace("You choose how", "Choose how", 1), "utf-8")
    publish_at(COMMIT)
    program = "from stages.verify.verify import verify; verify('alpaca-sit')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(code)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    first, _, rest = done.stderr.partition("[1/4] fetch alpaca")
    assert "This checkout is not what made the release:\n  prompt seq_instruct/classify: " in first
    assert "[2/4] sequence alpaca-1" in rest and "[3/4]" not in rest
    assert "have no reply in the ledger" in rest
    assert f"changes that were not in Git: git checkout {COMMIT}" in " ".join(rest.split())


@pytest.mark.pipeline
def test_release_of_another_profile_is_made_with_that_one(project: Path) -> None:
    profile = read_yaml("profiles/sample.yaml")
    profile["sources"]["alpaca"]["rows"] = 7
    write_yaml("profiles/other.yaml", profile)
    write_yaml("params.yaml", read_yaml("params.yaml") | {"profile": "other"})
    assert verify(str(RELEASE)).holds
