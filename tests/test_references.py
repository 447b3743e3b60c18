"""Models that are scored as they are: which they are, how they run, and a real one."""

import re
import shutil
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from stages import benchmark, evaluate
from stages.config.errors import BuildError
from stages.config.load import load_settings
from stages.config.paths import Paths
from stages.llm.as_it_is import with_template
from stages.llm.open import open_scored
from stages.models.chat import read_template
from stages.models.identity import identify
from stages.rows.measure import read_metrics
from stages.rows.parquet import file_hash
from stages.scoring.marks import read_marked
from tests.conftest import ROOT


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sample build, in which the untrained base is scored on a small benchmark."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    shutil.copytree(ROOT / "base", tmp_path / "base")
    edit(tmp_path / "params.yaml", "\nreferences: {}", "\nreferences: {untrained: [world]}")
    edit(sample(tmp_path), "queries_per_length: 80", "queries_per_length: 2")
    edit(sample(tmp_path), "max_tokens: 160", "max_tokens: 16")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQSMITH_LEDGER", str(tmp_path / "ledger.sqlite"))
    return tmp_path


def sample(project: Path) -> Path:
    return project / "profiles" / "sample.yaml"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def mistakes(project: Path) -> str:
    with pytest.raises(BuildError) as error:
        load_settings(project)
    return str(error.value)


def test_reference_is_scored_and_compared_like_a_model(project: Path) -> None:
    edit(
        project / "params.yaml",
        "\ncompared:\n",
        "\ncompared:\n  trained: {model: alpaca-it, against: untrained}\n",
    )
    build = load_settings(project).build
    assert build.scored["untrained"] == ["world"] and "alpaca-it" in build.scored
    assert build.compared["trained"].against == "untrained"


def test_reference_that_the_profile_lacks_is_a_mistake(project: Path) -> None:
    edit(project / "params.yaml", "{untrained: [world]}", "{gpt: [world, seqeva]}")
    found = mistakes(project)
    assert "'references.gpt' names 'seqeva', which nothing makes. Did you mean 'seqeval'" in found
    assert "sample.yaml: 'references.gpt' is missing; params.yaml has a reference of" in found


def test_reference_with_the_name_of_a_model_or_generator_is_a_mistake(project: Path) -> None:
    edit(project / "params.yaml", "{untrained: [world]}", "{alpaca-it: [world]}")
    edit(sample(project), "  untrained: {", "  showcase: {name: m, revision: r}\n  alpaca-it: {")
    found = mistakes(project)
    assert "'alpaca-it' is among 'models' and among 'references'" in found
    assert "'showcase' is among 'generators' and among 'references'" in found


def test_reference_behind_a_server_needs_one_and_renders_itself(project: Path) -> None:
    edit(sample(project), "{showcase: replay}", "{showcase: replay, untrained: openai}")
    found = mistakes(project)
    assert "'runtime.openai' is missing; the engine 'openai' needs it" in found
    assert "'references.untrained.template' is set, but a server renders its prompts" in found


def test_reference_runs_where_the_profile_says_and_else_where_models_do(project: Path) -> None:
    server = (
        "{url: 'http://127.0.0.1:1/v1', key_variable: '', concurrency: 1, timeout: 1.0, "
        "requests_per_minute: null, patience: 1.0}"
    )
    edit(sample(project), "{showcase: replay}", "{showcase: replay, hosted: openai}")
    edit(sample(project), "runtime:\n", f"runtime:\n  servers: {{hosted: {server}}}\n")
    edit(sample(project), "  untrained: {", "  hosted: {name: gpt, revision: ''}\n  untrained: {")
    edit(project / "params.yaml", "{untrained: [world]}", "{untrained: [], hosted: []}")
    settings = load_settings(project)
    assert settings.reference("untrained")[1].engine == "transformers"
    hosted, runtime = settings.reference("hosted")
    assert runtime.engine == "openai" and runtime.openai
    assert runtime.openai.url == "http://127.0.0.1:1/v1"
    with open_scored(settings, "hosted", Path("none"), "test", 0) as client:
        assert (client.model.name, client.model.revision) == ("gpt", "")


def test_a_template_of_ours_is_part_of_what_the_model_is(tmp_path: Path) -> None:
    base = str(ROOT / "base" / "tiny")

    def show(template: str, place: str) -> Path:
        (tmp_path / place).mkdir()
        return with_template(base, "", template, tmp_path / place)

    tulu, alpaca, again = show("tulu", "a"), show("alpaca", "b"), show("tulu", "c")
    ids = [identify(str(folder), "") for folder in (base, tulu, alpaca)]
    assert {one.name for one in ids} == {"tiny"} and len({one.revision for one in ids}) == 3
    assert identify(str(again), "") == ids[1]
    for template, folder in (("tulu", tulu), ("alpaca", alpaca)):
        assert AutoTokenizer.from_pretrained(folder).chat_template == read_template(template)


def test_a_template_in_the_settings_of_the_tokenizer_gives_way(tmp_path: Path) -> None:
    base = tmp_path / "own"
    shutil.copytree(ROOT / "base" / "tiny", base)
    edit(base / "tokenizer_config.json", "{", '{"chat_template": "{{ messages[0].content }}",')
    (base / "chat_template.jinja").write_text("{{ messages }}", "utf-8")
    place = tmp_path / "place"
    place.mkdir()
    tokenizer = AutoTokenizer.from_pretrained(with_template(str(base), "", "tulu", place))
    assert tokenizer.chat_template == read_template("tulu")
    assert (base / "chat_template.jinja").read_text("utf-8") == "{{ messages }}"


def test_profiles_pin_the_references_that_can_be_pinned(project: Path) -> None:
    text = (project / "profiles" / "paper.yaml").read_text("utf-8")
    edit(project / "params.yaml", "profile: sample", "profile: paper")
    edit(project / "params.yaml", "{untrained: [world]}", "{gpt-3-5: [seqeval]}")
    settings = load_settings(project)
    assert settings.reference("gpt-3-5")[1].engine == "openai"
    assert settings.reference("llama-3-8b")[1].engine == settings.profile.runtime.evaluation_engine
    part = re.search(r"  llama-3-8b-instruct:\n.*\n    revision: (\w+)\n", text)
    assert part
    edit(project / "profiles" / "paper.yaml", part[1], "main")
    assert "'references.llama-3-8b-instruct.revision' is 'main', which can move" in mistakes(
        project
    )


@pytest.mark.pipeline
def test_untrained_base_is_really_scored_and_asked_once(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark.build("world")
    evaluate.evaluate("untrained")
    scores = Paths("sample").folder("scores")
    world = read_metrics(scores / "untrained" / "world.json")
    answers = list(read_marked(scores / "untrained" / "world.parquet"))
    assert world["items"] == len(answers) > 10
    assert 0 <= world["metrics"]["accuracy"]["mean"] < 0.5
    assert any(one.answer.strip() for one in answers)
    before = {path: file_hash(path) for path in scores.rglob("*.*")}
    capsys.readouterr()
    evaluate.evaluate("untrained")
    assert " 0 requests asked" in capsys.readouterr().err
    assert {path: file_hash(path) for path in scores.rglob("*.*")} == before
