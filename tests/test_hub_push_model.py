"""Publishing models: copied or pushed, and loaded back as a reader does."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from stages.config.errors import BuildError
from stages.hub import to_folder
from stages.hub.manifest import ModelManifest, read_manifest
from stages.hub.models import load_back
from stages.hub.models.load_back import load_model_back
from stages.package import package
from stages.publish import publish
from stages.rows.parquet import RowWriter, read_rows
from stages.rows.row import SCHEMA_WITH_IMAGE, Picture
from stages.world.scenes import draw, scene
from tests.loopback_hub import Hub, loopback_hub, run_against
from tests.model_release_tree import (
    edit_params,
    edit_profile,
    make_tiny,
    make_tiny_seeing,
    write_model_build,
    write_training,
)
from tests.test_hub_publish import commit_all, receipt

TOKEN = "hf_neverToBeWritten"
REPO = "models/tester/alpaca-sit"
VISION = {
    "base": "some/x", "revision": "5" * 40, "epochs": 1.0, "batch": 4,
    "learning_rate": 1e-5, "warm_up": 0, "weight_decay": 0.0, "max_prompt": 64, "max_answer": 64,
    "max_steps": None, "beams": 1, "repetition_penalty": 1.0, "length_penalty": 1.0,
    "precision": "float32", "seed": 0,
}  # fmt: skip
TARGET = {"releasable": True, "target": "hub", "namespace": "tester", "tag": "v1.0"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """A folder with a packaged model."""
    root = tmp_path_factory.mktemp("build")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        write_model_build(root, tiny)
        package("models/alpaca-sit")
    return root


@pytest.fixture
def root(packaged: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(packaged)
    return packaged


@pytest.fixture
def release(root: Path) -> Path:
    return root / "data/sample/release/models/alpaca-sit"


def manifest_of(release: Path) -> ModelManifest:
    manifest = read_manifest(release)
    assert isinstance(manifest, ModelManifest)
    return manifest


@pytest.fixture
def copy(release: Path, tmp_path: Path) -> Path:
    """A copy of the release, for a test to change."""
    for path in release.rglob("*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def comes_back(copy: Path, release: Path) -> None:
    load_model_back(str(copy), None, release, manifest_of(release))


def refused(match: str, copy: Path, release: Path) -> None:
    with pytest.raises(BuildError, match=match) as caught:
        comes_back(copy, release)
    assert "\n" not in str(caught.value)


def edit_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def test_model_published_to_a_folder_is_the_release_and_has_a_receipt(
    root: Path, release: Path
) -> None:
    publish("models/alpaca-sit")
    published = root / "data/sample/published/models/alpaca-sit"
    for path in release.rglob("*"):
        assert (published / path.name).read_bytes() == path.read_bytes()
    assert {path.name for path in published.iterdir()} == {
        *(path.name for path in release.iterdir()),
        "provenance.json",
    }
    assert receipt(published)["released"] == "models/alpaca-sit"
    assert "model.safetensors" in receipt(published)["files"]


def test_model_published_to_a_folder_is_loaded_back(
    root: Path, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(
        to_folder, "load_back", lambda where, revision, *rest: asked.append((where, revision))
    )
    (root / "data/sample/published/models/alpaca-sit/README.md").unlink(missing_ok=True)
    publish("models/alpaca-sit")
    assert [revision for _, revision in asked] == [None]


def test_model_loaded_back_from_a_copy_is_the_release(copy: Path, release: Path) -> None:
    comes_back(copy, release)


def test_model_with_a_weight_of_another_shape_or_type_does_not_come_back(
    copy: Path, release: Path
) -> None:
    weights = load_file(copy / "model.safetensors")
    name = "model.norm.weight"
    save_file(weights | {name: weights[name].half()}, copy / "model.safetensors")
    refused(rf"the weight '{name}' is F16 \[128\], not F32 \[128\]", copy, release)
    save_file(weights | {name: torch.zeros(64)}, copy / "model.safetensors")
    refused(rf"the weight '{name}' is F32 \[64\], not F32 \[128\]", copy, release)


def test_model_with_a_weight_too_few_or_too_many_does_not_come_back(
    copy: Path, release: Path
) -> None:
    weights = load_file(copy / "model.safetensors")
    save_file(weights | {"another": torch.zeros(2)}, copy / "model.safetensors")
    refused(r"the weight 'another' is F32 \[2\], not missing", copy, release)
    del weights["model.norm.weight"]
    save_file(weights, copy / "model.safetensors")
    refused(r"the weight 'model.norm.weight' is missing, not F32", copy, release)


def test_model_with_other_values_answers_otherwise(copy: Path, release: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    torch.manual_seed(1)
    save_file(
        {name: torch.randn_like(one) for name, one in weights.items()}, copy / "model.safetensors"
    )
    refused("answers with the tokens", copy, release)


def test_model_whose_weights_do_not_fit_its_configuration_does_not_come_back(
    copy: Path, release: Path
) -> None:
    edit_json(copy / "config.json", num_hidden_layers=5)
    refused("its configuration asks for the weight 'model.layers.4", copy, release)
    edit_json(copy / "config.json", num_hidden_layers=4, intermediate_size=100)
    refused("its configuration asks for the weight 'model.layers.0.mlp", copy, release)


def test_model_with_another_chat_template_does_not_come_back(copy: Path, release: Path) -> None:
    template = (copy / "chat_template.jinja").read_text("utf-8")
    (copy / "chat_template.jinja").write_text(template.replace("<|user|>", "<|human|>"), "utf-8")
    refused("shows the row alpaca:.*<|human|>", copy, release)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_model_with_a_broken_file_does_not_come_back(copy: Path, release: Path, name: str) -> None:
    (copy / name).write_text("{")
    refused("cannot load what was published|no safetensors", copy, release)


def test_model_of_another_architecture_does_not_come_back(copy: Path, release: Path) -> None:
    edit_json(copy / "config.json", architectures=["MistralForCausalLM"])
    refused(r"is a \['MistralForCausalLM'\], not a LlamaForCausalLM", copy, release)


def test_model_that_is_large_is_compared_without_its_values(
    copy: Path, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_back, "_ANSWERING", 1000)
    monkeypatch.setattr(load_back, "_answer", lambda *_: pytest.fail("a large model was loaded"))
    comes_back(copy, release)
    edit_json(copy / "config.json", num_hidden_layers=5)
    refused("its configuration asks for the weight 'model.layers.4", copy, release)


@pytest.mark.pipeline
def test_model_card_snippet_runs_as_it_stands(root: Path, release: Path) -> None:
    publish("models/alpaca-sit")
    snippet = (release / "README.md").read_text("utf-8").split("```python\n")[1].split("```")[0]
    done = subprocess.run([sys.executable, "-c", snippet], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.pipeline
def test_model_that_sees_is_packaged_published_and_loaded_back(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = write_model_build(tmp_path, tiny)
    edit_params(
        tmp_path,
        models={"alpaca-sit": {"dataset": "alpaca-sit", "training": "vision"}},
        packages={"datasets": [], "models": ["alpaca-sit"]},
        scores={},
        compared={},
    )
    edit_profile(tmp_path, vision_trainings={"vision": VISION})
    edit_profile(tmp_path, publish={"base_licences": {VISION["base"]: "other"}})
    table = paths.table("datasets/alpaca-sit")
    shown = scene(0)
    rows = [replace(one, image=Picture(draw(shown), "0.png")) for one in read_rows(table)]
    with RowWriter(table, SCHEMA_WITH_IMAGE) as out:
        out.write(rows)
    model = paths.folder("models", "alpaca-sit")
    shutil.rmtree(model)
    make_tiny_seeing(model)
    write_training(paths, "alpaca-sit")
    package("models/alpaca-sit")

    release = paths.folder("release", "models/alpaca-sit")
    manifest = manifest_of(release)
    assert manifest.architecture == "InstructBlipForConditionalGeneration"
    assert "qformer_tokenizer/tokenizer.json" in manifest.files
    assert "processor_config.json" in manifest.files
    assert any(row.query == manifest.example.rendered for row in rows)
    card = (release / "README.md").read_text("utf-8")
    assert "pipeline_tag: image-text-to-text\n" in card
    assert "license: other\nlicense_name: that-of-x\n" in card

    publish("models/alpaca-sit")
    Image.new("RGB", (80, 60)).save(tmp_path / "photo.jpg")
    snippet = card.split("```python\n")[1].split("```")[0]
    done = subprocess.run(
        [sys.executable, "-c", snippet], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr

    changed = tmp_path / "changed"
    shutil.copytree(release, changed)
    edit_json(changed / "processor_config.json", num_query_tokens=3)
    refused("puts the row alpaca:.* to the model with other", changed, release)


@pytest.fixture
def hub(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub, and a packaged model beside it that is ready to go there."""
    monkeypatch.chdir(tmp_path)
    write_model_build(tmp_path, tiny, **TARGET)
    package("models/alpaca-sit")
    commit_all(tmp_path)
    with loopback_hub(TOKEN, "tester") as hub:
        yield hub


def push(hub: Hub, root: Path) -> tuple[int, str]:
    """The exit status and all output of `python -m stages.publish models/alpaca-sit`."""
    return run_against(hub, root, TOKEN, "-m", "stages.publish", "models/alpaca-sit")


@pytest.mark.pipeline
def test_push_of_a_model_makes_one_commit_loads_it_back_and_then_tags_it(
    hub: Hub, tmp_path: Path
) -> None:
    status, output = push(hub, tmp_path)
    assert status == 0, output
    repo = hub.repos[REPO]
    assert repo.tags == {"v1.0": repo.main}
    assert len(repo.commits) == 2  # the Hub's own first one, and ours
    release = tmp_path / "data/sample/release/models/alpaca-sit"
    files = repo.commits[repo.main].files
    for path in release.rglob("*"):
        assert files[path.relative_to(release).as_posix()] == path.read_bytes()
    published = tmp_path / "data/sample/published/models/alpaca-sit"
    assert receipt(published)["commit"] == repo.main
    # `transformers` read it from the Hub, at the commit, before the tag was made.
    tagged = next(i for i, one in enumerate(hub.requests) if "/tag/" in one)
    weights = f"GET /tester/alpaca-sit/resolve/{repo.main}/model.safetensors"
    assert hub.requests[:tagged].count(weights) >= 3  # the copy, its header, and to answer

    hub.requests.clear()
    assert push(hub, tmp_path)[0] == 0
    assert not any("/commit/" in one or "/tag/" in one for one in hub.requests)


@pytest.mark.pipeline
def test_push_of_a_model_that_comes_back_damaged_is_not_tagged(hub: Hub, tmp_path: Path) -> None:
    hub.damaged.add("model.safetensors")
    status, output = push(hub, tmp_path)
    assert status == 1
    assert "model.safetensors" in output
    assert hub.repos[REPO].tags == {}
    assert not (tmp_path / "data/sample/published/models/alpaca-sit.json").exists()
