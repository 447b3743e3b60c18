"""Packaging models: what is in a release, that it is true, and what is refused."""

import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from stages.config.errors import BuildError
from stages.config.paths import Paths
from stages.hub.manifest import ModelManifest, read_manifest
from stages.hub.models.naming import refuse_model
from stages.hub.parts import Licence
from stages.package import package
from stages.rows.parquet import file_hash
from tests.model_release_tree import (
    BASE,
    SCORES,
    edit_params,
    edit_profile,
    edit_training,
    make_tiny,
    write_model_build,
    write_scores,
    write_training,
)
from tests.quality_tree import rewrite
from tests.release_tree import (
    CHECK,
    COMMIT,
    card_of,
    come_from,
    files_of,
    header_of,
    write_audit,
)

HUB = {"releasable": True, "target": "hub", "namespace": "tester", "tag": "v2.1"}
HOSTILE = (
    "```\n\n# Injected\n\n<script>alert(1)</script>\n````` ~~~\n---\nlicense: mit\n---\n\u202ex"
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Path) -> Paths:
    monkeypatch.chdir(tmp_path)
    return write_model_build(tmp_path, tiny)


@pytest.fixture
def model(build: Paths) -> Path:
    return build.folder("models", "alpaca-sit")


@pytest.fixture
def release(build: Paths) -> Path:
    return build.folder("release", "models/alpaca-sit")


def packaged(release: Path) -> ModelManifest:
    package("models/alpaca-sit")
    manifest = read_manifest(release)
    assert isinstance(manifest, ModelManifest)
    return manifest


def refused(match: str, release: Path) -> None:
    with pytest.raises(BuildError, match=match) as caught:
        package("models/alpaca-sit")
    assert "\n" not in str(caught.value)
    assert not release.exists()


def test_package_model_twice_gives_the_same_bytes_whatever_git_and_dvc_say(
    release: Path, tmp_path: Path
) -> None:
    package("models/alpaca-sit")
    before = files_of(release)
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\n", "utf-8")
    package("models/alpaca-sit")
    assert files_of(release) == before
    assert not any(str(tmp_path).encode() in content for content in before.values())


def test_package_model_takes_the_files_of_the_training_as_they_are(
    model: Path, release: Path
) -> None:
    manifest = packaged(release)
    trained, made = files_of(model), files_of(release)
    assert {"model.safetensors", "config.json", "chat_template.jinja", "training.json"} <= set(made)
    assert {name: made[name] for name in trained} == trained
    assert (
        set(made) == {*trained, "README.md", "manifest.json"} == {*manifest.files, "manifest.json"}
    )
    for name, file in manifest.files.items():
        assert (file.sha256, file.bytes) == (file_hash(release / name), len(made[name]))


def test_package_model_manifest_says_what_it_was_made_of(build: Paths, release: Path) -> None:
    manifest = packaged(release)
    trained = manifest.trained
    table = build.table("datasets/alpaca-sit")
    assert (trained.base, trained.base_revision) == (BASE, "5" * 40)
    assert (trained.dataset, trained.dataset_sha256) == ("alpaca-sit", file_hash(table))
    assert trained.dataset_address is not None
    assert trained.dataset_address.path == "data/sample/published/datasets/alpaca-sit"
    assert trained.settings["learning_rate"] == 1e-3
    assert trained.counts == {"rows": 12, "cut": 0, "lost": 0, "steps": 3, "tokens": 1234}
    assert manifest.architecture == "LlamaForCausalLM"
    assert manifest.parameters == sum(
        one.numel() for one in load_weights(release / "model.safetensors").values()
    )
    assert manifest.dtypes == ["F32"]


def load_weights(path: Path) -> dict:
    from safetensors.torch import load_file  # noqa: PLC0415 - torch

    return load_file(path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "optimizer.pt", "part/x.pkl", "a.CKPT"])
def test_package_model_with_a_pickle_is_refused(model: Path, release: Path, name: str) -> None:
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_bytes(pickle.dumps({}))
    refused(f"{Path(name).name}: pickles run code when they are loaded", release)


def test_package_model_with_a_pickle_by_another_name_is_refused(model: Path, release: Path) -> None:
    (model / "model.safetensors").write_bytes(pickle.dumps({"weight": [1.0] * 100}))
    refused("model.safetensors: no safetensors", release)


def test_package_model_with_code_is_refused(model: Path, release: Path) -> None:
    (model / "modeling_x.py").write_text("import os\n")
    refused("modeling_x.py: no file that training saves", release)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "training.json"])
def test_package_model_lacking_a_file_is_refused(model: Path, release: Path, name: str) -> None:
    (model / name).unlink()
    refused(f"{name}: no such file", release)


def test_package_model_without_weights_is_refused(model: Path, release: Path) -> None:
    (model / "model.safetensors").unlink()
    refused(r"no \*.safetensors file in it", release)


def test_package_model_without_a_chat_template_is_refused(model: Path, release: Path) -> None:
    (model / "chat_template.jinja").unlink()
    refused("its tokenizer has no chat template", release)


def test_package_model_of_other_rows_is_refused(build: Paths, release: Path) -> None:
    rewrite(build, "datasets/alpaca-sit", lambda row: replace(row, output="Other"))
    write_audit(build)
    refused("the model learned from other rows than .*train alpaca-sit", release)


def test_package_model_of_another_recipe_is_refused(release: Path, tmp_path: Path) -> None:
    edit_training(tmp_path, learning_rate=0.5)
    refused("the model was trained with another recipe", release)


def test_package_model_whose_training_says_too_little_is_refused(
    model: Path, release: Path
) -> None:
    (model / "training.json").write_text('{"dataset": {"name": "alpaca-sit"}}')
    refused("training.json: does not say what the model was made of", release)


@pytest.mark.parametrize(
    "missing",
    [
        "audit/alpaca-sit/validation.json",
        "scores/alpaca-sit.json",
        "scores/alpaca-sit/world.json",
        "compared/sequences.json",
        "benchmarks/world.parquet",
    ],
)
def test_package_model_missing_input_is_named_and_the_old_release_stays(
    build: Paths, release: Path, missing: str
) -> None:
    package("models/alpaca-sit")
    before = files_of(release)
    (build.root / missing).unlink()
    with pytest.raises(BuildError, match=re.escape(f"{missing}: no such file")):
        package("models/alpaca-sit")
    assert files_of(release) == before
    assert not list(release.parent.glob(".*"))


def test_package_model_of_a_dataset_whose_audit_failed_has_its_errors(
    build: Paths, release: Path
) -> None:
    warning = CHECK | {"success": False, "severity": "warning", "what": "Only a warning."}
    write_audit(build, success=False, checks=[CHECK | {"success": False}, warning])
    assert packaged(release).errors == ["No output is blank."]
    assert "2 checks of the dataset ran; 2 failed:" in card_of(release)


def test_package_model_names_every_licence_and_states_the_strictest(
    build: Paths, release: Path
) -> None:
    come_from(build, "yahma/alpaca-cleaned", "1" * 40)
    rewrite(build, "sources/alpaca", from_repo("yahma/alpaca-cleaned"))
    write_training(build, "alpaca-sit")
    manifest = packaged(release)
    assert {one.of: one.licence for one in manifest.licences} == {
        f"base model {BASE}": "mit",
        "source alpaca": "cc-by-nc-4.0",
        "generator model": "apache-2.0",
    }
    assert header_of(release)["license"] == manifest.licence == "cc-by-nc-4.0"
    assert f"- base model {BASE}: `mit`" in card_of(release)
    assert "Stanford {Alpaca}" in card_of(release)


def from_repo(repo: str) -> Callable:
    return lambda row: replace(row, origin=replace(row.origin, repo=repo))


def test_package_model_of_rows_from_a_file_has_no_known_licence(
    build: Paths, release: Path
) -> None:
    rewrite(build, "sources/alpaca", from_repo("mine.json"))
    assert packaged(release).licence == "unknown"
    assert "Unknown: nobody stated a licence" in card_of(release)


def test_package_model_of_a_strict_base_takes_its_licence(
    build: Paths, release: Path, tmp_path: Path
) -> None:
    edit_profile(tmp_path, publish={"base_licences": {BASE: "cc-by-nc-sa-4.0"}})
    rewrite(build, "sources/alpaca", from_repo("yahma/alpaca-cleaned"))
    change_source(tmp_path, "cc-by-sa-4.0")
    write_training(build, "alpaca-sit")
    with pytest.raises(BuildError, match="cc-by-sa-4.0"):  # the two contradict each other
        package("models/alpaca-sit")
    change_source(tmp_path, "mit")
    assert packaged(release).licence == "cc-by-nc-sa-4.0"


def change_source(root: Path, licence: str) -> None:
    profile = yaml.safe_load((root / "profiles/sample.yaml").read_text("utf-8"))
    edit_profile(root, sources={"alpaca": profile["sources"]["alpaca"] | {"licence": licence}})


def test_package_model_that_is_not_listed_is_refused(build: Paths) -> None:
    with pytest.raises(BuildError, match="No package is called 'models/coi-3'"):
        package("models/coi-3")


def test_model_card_header_is_read_by_the_hubs_own_client(release: Path) -> None:
    package("models/alpaca-sit")
    data = ModelCard.load(release / "README.md").data
    assert data.license == "cc-by-nc-4.0"
    assert (data.language, data.library_name, data.pipeline_tag) == (
        ["en"],
        "transformers",
        "text-generation",
    )
    assert data.base_model == BASE
    assert data.datasets is None  # a folder is on no Hub
    found = {one.metric_type: one.metric_value for one in data.eval_results}
    assert found == {"accuracy": 43.21, "following": 87.5, "exact": 12.5}
    # Made by the built-in world, and not by whoever made a benchmark of that name.
    assert {one.dataset_type for one in data.eval_results} == {"seqsmith-world"}


def test_model_card_shows_scores_with_intervals_items_and_what_was_not_run(release: Path) -> None:
    package("models/alpaca-sit")
    line = "| `world` | the built-in world | 0 | sub-tasks right | 43.2 % | 25.0 to 50.0 | 2 |"
    assert line in card_of(release)
    assert "Not run: `commonsense-qa`." in card_of(release)
    assert "### `alpaca-sit` against `alpaca-it`" in card_of(release)
    assert "| `world` | sub-tasks right | +20.0 | −10.0 to +30.0 | 0.0400 | 2 |" in card_of(release)


def test_model_card_follows_the_files_of_the_scores(build: Paths, release: Path) -> None:
    scores = SCORES | {"accuracy": {"items": 2, "mean": 0.9, "low": 0.8, "high": 0.95}}
    write_scores(build, "alpaca-sit", {"world": scores, "commonsense-qa": {}})
    package("models/alpaca-sit")
    assert "| sub-tasks right | 90.0 % | 80.0 to 95.0 | 2 |" in card_of(release)
    assert "43.2 %" not in card_of(release)


def test_model_card_shows_a_comparison_on_both_sides(build: Paths) -> None:
    package("models/alpaca-it")
    text = card_of(build.folder("release", "models/alpaca-it"))
    assert "### `alpaca-sit` against `alpaca-it`" in text
    assert "ask for two or more tasks" not in text


def test_model_card_of_a_model_without_scores_says_so(release: Path, tmp_path: Path) -> None:
    edit_params(tmp_path, scores={}, compared={})
    package("models/alpaca-sit")
    assert "The model was not scored." in card_of(release)
    assert "model-index" not in header_of(release)


def test_model_card_of_a_profile_that_is_not_releasable_says_demonstration(
    release: Path,
) -> None:
    assert packaged(release).demonstration
    assert "> **This is a demonstration.**" in card_of(release)
    assert "demonstration" in header_of(release)["tags"]


def test_model_card_shows_a_real_row_as_the_tokenizer_renders_it(
    model: Path, release: Path
) -> None:
    from transformers import AutoTokenizer  # noqa: PLC0415 - 3 s

    example = packaged(release).example
    tokenizer = AutoTokenizer.from_pretrained(release)
    assert example.rendered == tokenizer.apply_chat_template(example.messages, tokenize=False)
    assert example.rendered.startswith("<|user|>\n")
    assert example.rendered in card_of(release)
    assert "Then do task" in example.rendered  # a row that was rewritten


def test_model_card_text_of_a_row_stays_inside_the_fence(build: Paths, release: Path) -> None:
    def parsed() -> list[str]:
        package("models/alpaca-sit")
        text = card_of(release).split("---\n", 2)[2]
        return [one.type for one in MarkdownIt("gfm-like", {"linkify": False}).parse(text)]

    honest = parsed()
    rewrite(build, "datasets/alpaca-sit", lambda row: replace(row, output=HOSTILE))
    write_training(build, "alpaca-sit")
    assert parsed() == honest
    assert "\u202e" not in card_of(release)


def test_model_card_for_the_hub_pins_the_tag_and_links_base_and_dataset(
    build: Paths, release: Path, tmp_path: Path
) -> None:
    to_hub(tmp_path, build)
    package("models/alpaca-sit")
    assert 'from_pretrained("tester/alpaca-sit", revision="v2.1")' in card_of(release)
    assert header_of(release)["datasets"] == ["tester/alpaca-sit"]
    assert header_of(release)["model-index"][0]["name"] == "alpaca-sit"
    assert "demonstration" not in card_of(release)


def to_hub(root: Path, paths: Paths, base: str = "mit") -> None:
    path = root / "profiles/sample.yaml"
    profile = yaml.safe_load(path.read_text("utf-8")) | {"releasable": True}
    path.write_text(yaml.safe_dump(profile), "utf-8")
    edit_profile(root, publish={"target": "hub", "namespace": "tester", "tag": "v2.1"})
    edit_training(root, revision=COMMIT)
    edit_profile(root, publish={"base_licences": {BASE: base}})
    write_training(paths, "alpaca-sit")


def test_package_model_on_llama_3_for_the_hub_must_be_called_so(
    build: Paths, release: Path, tmp_path: Path
) -> None:
    to_hub(tmp_path, build, "llama3")
    refused("base model some/base, llama3, asks that the name .* begins with 'Llama 3'", release)
    edit_profile(tmp_path, publish={"names": {"models/alpaca-sit": "Llama-3-8B-Alpaca-SIT"}})
    manifest = packaged(release)
    assert manifest.address.path == "tester/Llama-3-8B-Alpaca-SIT"
    assert "# Llama-3-8B-Alpaca-SIT\n" in card_of(release)
    assert "**Built with Meta Llama 3.**" in card_of(release)
    assert "Copyright © Meta Platforms" in (release / "NOTICE").read_text("utf-8")
    assert "NOTICE" in manifest.files


def test_package_model_of_another_base_taught_by_llama_3_does_not_go_to_the_hub(
    build: Paths, release: Path, tmp_path: Path
) -> None:
    edit_profile(tmp_path, generator={"licence": "llama3"})
    to_hub(tmp_path, build)
    refused("generator model, llama3, forbids to improve other language models", release)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("Llama-3-8B-Alpaca-SIT", True),
        ("llama-3-alpaca", True),
        ("Llama-3", True),
        ("Llama-30B-x", False),
        ("Llama3-8B", False),
        ("Alpaca-Llama-3", False),
        ("Meta-Llama-3-8B", False),
        ("", False),
    ],
)
def test_name_of_a_model_on_llama_3(name: str, allowed: bool) -> None:
    base = Licence(of="base model x", licence="llama3")
    if allowed:
        refuse_model(name, base, [], "models/x")
    else:
        with pytest.raises(BuildError, match=f"is to be called '{name}'"):
            refuse_model(name, base, [], "models/x")


def test_name_of_a_model_taught_by_llama_3_1_begins_with_llama() -> None:
    base = Licence(of="base model x", licence="apache-2.0")
    taught = [Licence(of="generator y", licence="llama3.1")]
    refuse_model("Llama-x", base, taught, "models/x")
    with pytest.raises(BuildError, match="of generator y, llama3.1, asks .* 'Llama', but"):
        refuse_model("Mistral-x", base, taught, "models/x")
