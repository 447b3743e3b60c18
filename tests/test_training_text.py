"""Fine-tuning: the same inputs give the same weights, the loss falls, bad inputs get a sentence."""

from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from stages.config.errors import BuildError
from stages.config.settings import Runtime, Training
from stages.rows.parquet import file_hash
from stages.training.text import Fitted, finetune
from stages.training.tiny import make_model, make_tokenizer
from stages.world.corpus import documents

COLOURS = ("red", "blue", "green", "black", "white", "pink", "grey", "brown")
CHATS = [
    [{"role": "user", "content": f"Say {colour}."}, {"role": "assistant", "content": colour}]
    for colour in COLOURS
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "random"
    tokenizer = make_tokenizer(islice(documents(0), 300))
    make_model(tokenizer, 0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def training(base: Path, **changes: Any) -> Training:
    settings = {
        "base": str(base), "revision": "", "template": "tulu", "epochs": 3.0, "batch": 4,
        "learning_rate": 3e-3, "schedule": "cosine", "warm_up": 0.1, "weight_decay": 0.01,
        "max_length": 64, "max_steps": None, "precision": "float32", "seed": 0,
    }  # fmt: skip
    return Training(**{**settings, **changes})


def runtime(device_batch: int) -> Runtime:
    return Runtime(
        engine="world",
        device="cpu",
        device_batch=device_batch,
        gradient_checkpointing=False,
        generation_batch=8,
    )


def fit(base: Path, folder: Path, device_batch: int = 4, **changes: Any) -> Fitted:
    batches = [CHATS[:5], CHATS[5:]]
    return finetune(batches, training(base, **changes), runtime(device_batch), folder, "test")


def test_finetune_goes_over_all_rows_and_the_loss_falls(base: Path, tmp_path: Path) -> None:
    fitted = fit(base, tmp_path / "model", epochs=10.0)
    assert (fitted.rows, fitted.cut, fitted.lost) == (8, 0, 0)
    assert fitted.steps == 20  # 10 epochs of 8 rows, 4 rows at a time
    assert fitted.curve[-1]["step"] == 20
    assert fitted.loss < fitted.curve[0]["loss"] / 2


def test_finetune_twice_gives_the_same_bytes(base: Path, tmp_path: Path) -> None:
    first, second = fit(base, tmp_path / "one"), fit(base, tmp_path / "two")
    assert first == second
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "two").iterdir())
    for name in files:
        assert file_hash(tmp_path / "one" / name) == file_hash(tmp_path / "two" / name), name


def test_finetune_with_another_seed_gives_other_weights(base: Path, tmp_path: Path) -> None:
    fit(base, tmp_path / "one")
    fit(base, tmp_path / "two", seed=1)
    one, two = (file_hash(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert one != two


def test_finetune_in_smaller_parts_takes_the_same_steps(base: Path, tmp_path: Path) -> None:
    whole, parts = fit(base, tmp_path / "one"), fit(base, tmp_path / "two", device_batch=2)
    assert parts.steps == whole.steps and parts.tokens == whole.tokens
    assert parts.loss == pytest.approx(whole.loss, rel=1e-3)


def test_finetune_saves_the_template_and_nothing_pickled(base: Path, tmp_path: Path) -> None:
    fit(base, tmp_path / "model", max_steps=1)
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"} <= names
    assert not {name for name in names if name.endswith((".bin", ".pt", ".pkl"))}
    for path in (tmp_path / "model").glob("*.json"):
        assert str(tmp_path) not in path.read_text("utf-8"), path.name


def test_finetune_counts_rows_that_were_cut_and_rows_that_were_lost(
    base: Path, tmp_path: Path
) -> None:
    long = [{"role": "user", "content": "Say it. " * 50}, {"role": "assistant", "content": "it"}]
    talk = [{"role": "user", "content": "Go on."}, {"role": "assistant", "content": "on " * 100}]
    fitted = finetune(
        [[*CHATS, long, talk]], training(base, max_steps=1), runtime(4), tmp_path / "model", "test"
    )
    assert (fitted.rows, fitted.cut, fitted.lost) == (9, 1, 1)


def test_finetune_without_a_usable_row_says_what_to_raise(base: Path, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="none of 8 rows.*training.max_length = 4"):
        fit(base, tmp_path / "model", max_length=4)


def test_finetune_with_a_batch_that_cannot_be_divided_says_so(base: Path, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="training.batch = 4.*device_batch that divides it"):
        fit(base, tmp_path / "model", device_batch=3)


def test_finetune_without_a_base_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="training.base"):
        fit(tmp_path / "nothing", tmp_path / "model")
