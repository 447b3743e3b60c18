"""Settings: mistakes stop the build at once, with file, line, and the nearest valid name."""

import shutil
from pathlib import Path

import pytest

from stages.config.errors import BuildError
from stages.config.load import load_settings
from tests.conftest import ROOT

PROFILES = sorted(path.stem for path in (ROOT / "profiles").glob("*.yaml"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    return tmp_path


def edit(path: Path, old: str, new: str) -> int:
    """Replace `old`, which must be there, and return its line."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_in_the_repository_is_valid(project: Path, profile: str) -> None:
    edit(project / "params.yaml", "profile: sample", f"profile: {profile}")
    assert load_settings(project).build.profile == profile


def test_unknown_key_names_its_line_and_the_nearest_key(project: Path) -> None:
    line = edit(project / "profiles" / "sample.yaml", "releasable:", "releasible:")
    with pytest.raises(BuildError) as error:
        load_settings(project)
    assert f"sample.yaml, line {line}: 'releasible' is not a setting" in str(error.value)
    assert "Did you mean 'releasable'?" in str(error.value)
    assert "'releasable' is missing" in str(error.value)


def test_unknown_key_inside_a_section_names_its_path(project: Path) -> None:
    line = edit(project / "profiles" / "sample.yaml", "  epochs:", "  epoch:")
    with pytest.raises(BuildError) as error:
        load_settings(project)
    assert f"line {line}: 'training.epoch' is not a setting. Did you mean 'epochs'?" in str(
        error.value
    )


@pytest.mark.parametrize("value", ["many", "1.5", "'32'", "-4", "[1]"])
def test_mistyped_value_says_what_was_found_and_expected(project: Path, value: str) -> None:
    line = edit(project / "profiles" / "sample.yaml", "  batch: 16", f"  batch: {value}")
    with pytest.raises(BuildError) as error:
        load_settings(project)
    assert f"line {line}: 'training.batch': found " in str(error.value)
    assert "expected " in str(error.value)


def test_unknown_engine_names_the_nearest(project: Path) -> None:
    edit(project / "profiles" / "sample.yaml", "engine: world", "engine: word")
    with pytest.raises(BuildError, match="found 'word', expected 'world'.*Did you mean"):
        load_settings(project)


def test_engine_without_its_section_is_a_mistake(project: Path) -> None:
    profile = project / "profiles" / "sample.yaml"
    edit(profile, "engine: world", "engine: openai")
    edit(profile, "  name: world", "  name: model")
    with pytest.raises(BuildError, match="'runtime.openai' is missing; the engine 'openai' needs"):
        load_settings(project)


def test_engine_inside_ray_needs_its_section_too(project: Path) -> None:
    profile = project / "profiles" / "sample.yaml"
    edit(profile, "engine: world", "engine: ray\n  ray: {address: auto, replicas: 2, inside: vllm}")
    edit(profile, "  name: world", "  name: model")
    with pytest.raises(BuildError, match="'runtime.vllm' is missing; the engine 'ray' needs it"):
        load_settings(project)


def test_generator_of_a_table_that_the_profile_lacks_is_named(project: Path) -> None:
    edit(
        project / "params.yaml",
        "alpaca-it: {reads: sources/alpaca}",
        "alpaca-it: {reads: sources/alpaca, generator: comand}",
    )
    generator = "{name: m, revision: r, licence: mit, max_tokens_if_truncated: null, sampling: "
    sampling = "{temperature: 1.0, top_p: 0.9, top_k: 50, max_tokens: 9}}"
    profile = project / "profiles" / "sample.yaml"
    edit(profile, "\ngenerators:\n", f"\ngenerators:\n  command: {generator}{sampling}\n")
    edit(profile, "{showcase: replay}", "{showcase: replay, comand: replay}")
    with pytest.raises(BuildError) as error:
        load_settings(project)
    first, second, third = str(error.value).splitlines()
    assert "'datasets/alpaca-it.generator' names 'comand', which nothing makes." in first
    assert "Did you mean 'command'?" in first
    assert "'runtime.engines' names 'comand', which is none of 'generators' and none of" in second
    assert "the engine 'world' cannot run the model 'm' of 'generators.command'" in third


def test_model_of_a_dataset_that_nothing_makes_is_named(project: Path) -> None:
    edit(project / "params.yaml", "{dataset: alpaca-sit}", "{dataset: alpaca-sti}")
    with pytest.raises(BuildError) as error:
        load_settings(project)
    assert "names 'alpaca-sti', which nothing makes. Did you mean 'alpaca-sit'" in str(error.value)


def test_training_that_the_profile_lacks_is_named(project: Path) -> None:
    edit(project / "params.yaml", "training: coi}", "training: cio}")
    with pytest.raises(BuildError) as error:
        load_settings(project)
    assert "'models.coi-3.training' names 'cio'" in str(error.value)
    assert "Did you mean 'coi'?" in str(error.value)


def test_benchmark_that_nothing_makes_is_named(project: Path) -> None:
    edit(project / "params.yaml", "    - seqeval\n", "    - seqevil\n")
    with pytest.raises(BuildError, match="'scores.alpaca-it' names 'seqevil'.*'seqeval'"):
        load_settings(project)


def test_comparison_of_a_model_without_scores_is_named(project: Path) -> None:
    edit(project / "params.yaml", "model: alpaca-sit, against: alpaca-it}", "model: x, against: y}")
    with pytest.raises(BuildError, match="'compared.sequences' names 'x', which nothing makes"):
        load_settings(project)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("judge: nobody", "'evaluation.judge' names 'nobody', which is none of 'generators'"),
        ("judge: showcase\n  judgements: 3", "would say the same each time"),
        ("alpaca_eval: {revision: abc}", "needs a judge behind an OpenAI-compatible server"),
    ],
)
def test_judge_that_cannot_judge_is_a_mistake(project: Path, setting: str, said: str) -> None:
    profile = project / "profiles" / "sample.yaml"
    lines = profile.read_text().splitlines()
    at = lines.index("evaluation:")
    given = {line.split(":")[0] for line in setting.splitlines()}
    kept = [
        line for line in lines[at + 1 :]
        if line.strip().split(":")[0] not in {one.strip() for one in given}
    ]  # fmt: skip
    text = "\n".join(
        [*lines[: at + 1], *(f"  {one.strip()}" for one in setting.splitlines()), *kept]
    )
    profile.write_text(text)
    with pytest.raises(BuildError) as error:
        load_settings(project)
    assert said in str(error.value)


def test_people_may_judge_alone(project: Path) -> None:
    edit(project / "profiles" / "sample.yaml", "  judge: null  ", "  judge: people")
    assert load_settings(project).profile.evaluation.judge == "people"


def test_source_that_translates_no_source_is_named(project: Path) -> None:
    edit(project / "profiles" / "sample.yaml", "translates: alpaca ", "translates: alpacca ")
    with pytest.raises(BuildError, match="'sources.alpaca-de.translates' names 'alpacca'") as error:
        load_settings(project)
    assert "Did you mean 'alpaca'?" in str(error.value)


def test_dataset_that_two_sections_make_is_named(project: Path) -> None:
    edit(
        project / "params.yaml",
        "composed:\n",
        "composed:\n  alpaca-it: {method: repeat, reads: sources/alpaca}\n",
    )
    with pytest.raises(BuildError, match="the dataset 'alpaca-it' is made twice, by two sections"):
        load_settings(project)


@pytest.mark.parametrize(("engine", "model"), [("world", "model"), ("transformers", "world")])
def test_engine_and_model_that_do_not_belong_together_are_a_mistake(
    project: Path, engine: str, model: str
) -> None:
    profile = project / "profiles" / "sample.yaml"
    edit(profile, "engine: world", f"engine: {engine}")
    edit(profile, "  name: world", f"  name: {model}")
    with pytest.raises(BuildError, match=f"'{engine}' cannot run the model '{model}'"):
        load_settings(project)


def test_mistake_in_an_optional_section_names_what_is_known_there(project: Path) -> None:
    profile = project / "profiles" / "sample.yaml"
    edit(profile, "engine: world", "engine: world\n  vllm: {memry: 0.5}")
    with pytest.raises(BuildError, match="is not a setting. Did you mean 'memory'"):
        load_settings(project)


def test_unknown_profile_names_the_nearest(project: Path) -> None:
    edit(project / "params.yaml", "profile: sample", "profile: sampel")
    with pytest.raises(
        BuildError, match=r"profile .sampel. does not exist. Did you mean .sample.\?"
    ):
        load_settings(project)


def test_unknown_table_in_reads_names_the_nearest(project: Path) -> None:
    edit(project / "params.yaml", "reads: sequences/alpaca-1", "reads: sequences/alpaca-l")
    with pytest.raises(BuildError, match="Did you mean"):
        load_settings(project)


def test_unknown_dataset_of_a_model_is_refused(project: Path) -> None:
    edit(project / "params.yaml", "{dataset: alpaca-sit}", "{dataset: alpaca-sti}")
    with pytest.raises(BuildError, match="which nothing makes"):
        load_settings(project)


def test_key_given_twice_is_refused(project: Path) -> None:
    path = project / "params.yaml"
    path.write_text(path.read_text() + "\nprofile: paper\n")
    with pytest.raises(BuildError, match="'profile' is already set in line"):
        load_settings(project)


def test_broken_yaml_names_line_and_column(project: Path) -> None:
    path = project / "params.yaml"
    path.write_text("profile: [sample\nsources: {\n")
    with pytest.raises(BuildError, match=r"params.yaml, line \d+, column \d+: not valid YAML"):
        load_settings(project)


def test_missing_file_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="Run from the root of the repository"):
        load_settings(tmp_path)


def test_releasable_profile_with_a_branch_as_revision_is_refused(project: Path) -> None:
    edit(project / "params.yaml", "profile: sample", "profile: paper")
    path = project / "profiles" / "paper.yaml"
    revision = load_settings(project).profile.sources["alpaca"].revision
    edit(path, revision, "main")
    with pytest.raises(BuildError, match="'sources.alpaca.revision' is 'main', which can move"):
        load_settings(project)


def test_column_that_the_shape_does_not_have_names_the_nearest(project: Path) -> None:
    shape = "shape: flan"
    edit(project / "profiles" / "sample.yaml", shape, f"{shape}\n    columns: {{questoin: prompt}}")
    with pytest.raises(BuildError) as error:
        load_settings(project)
    assert (
        "sample.yaml: 'sources.flancot.columns.questoin' is no column of the shape flan. "
        "Did you mean 'question'? Known here: question, response, system_prompt."
    ) in str(error.value)


@pytest.mark.parametrize("columns", ["{question: text, response: text}", "{question: response}"])
def test_column_that_stands_for_two_is_a_mistake(project: Path, columns: str) -> None:
    edit(
        project / "profiles" / "sample.yaml",
        "shape: flan",
        f"shape: flan\n    columns: {columns}",
    )
    with pytest.raises(BuildError, match="stands for two columns of the shape flan"):
        load_settings(project)


def test_unknown_shape_names_the_nearest(project: Path) -> None:
    edit(project / "profiles" / "sample.yaml", "shape: messages", "shape: message")
    with pytest.raises(BuildError, match="found 'message'.*Did you mean 'messages'?"):
        load_settings(project)


def test_columns_exchanged_are_no_mistake(project: Path) -> None:
    columns = "{question: response, response: question}"
    edit(
        project / "profiles" / "sample.yaml",
        "shape: flan",
        f"shape: flan\n    columns: {columns}",
    )
    assert load_settings(project).profile.sources["flancot"].columns["question"] == "response"


def test_source_of_files_alone_needs_no_commit_in_a_releasable_profile(project: Path) -> None:
    edit(project / "params.yaml", "profile: sample", "profile: paper")
    path = project / "profiles" / "paper.yaml"
    edit(path, "origin: hub\n    shape: flan", "origin: file\n    shape: flan")
    edit(path, "    revision: 3e85783ecb0db83df8b30dbbd94107857b5ac830\n", "")
    assert load_settings(project).profile.sources["flancot"].revision == ""


def test_all_mistakes_are_reported_at_once(project: Path) -> None:
    edit(project / "profiles" / "sample.yaml", "  epochs:", "  epoch:")
    edit(project / "profiles" / "sample.yaml", "engine: world", "engine: word")
    with pytest.raises(BuildError) as error:
        load_settings(project)
    assert len(str(error.value).splitlines()) == 3  # unknown epoch, missing epochs, engine
