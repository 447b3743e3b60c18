"""Fine-tuning: the same inputs give the same weights, the loss falls, bad inputs get a sentence."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
)

from stages.config.errors import BuildError
from stages.config.settings import Lora, Runtime, Training
from stages.rows.parquet import file_hash
from stages.training import checkpoints, packing
from stages.training.fitted import Fitted
from stages.training.text import finetune
from stages.training.tiny import make_model, make_tokenizer
from stages.world.corpus import documents
from tests.conftest import ROOT

COLOURS = ("red", "blue", "green", "black", "white", "pink", "grey", "brown")
CHATS = [
    [{"role": "user", "content": f"Say {colour}."}, {"role": "assistant", "content": colour}]
    for colour in COLOURS
]


@pytest.fixture(autouse=True)
def checkpoints_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Checkpoints of tests lie in a folder of their own."""
    monkeypatch.setattr(checkpoints, "FOLDER", tmp_path / "checkpoints")
    return tmp_path / "checkpoints"


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


def test_finetune_says_how_many_rows_were_cut_and_left_out(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = [{"role": "user", "content": "Say it. " * 50}, {"role": "assistant", "content": "it"}]
    talk = [{"role": "user", "content": "Go on."}, {"role": "assistant", "content": "on " * 100}]
    rows = [[*CHATS, long, talk]]
    finetune(rows, training(base, max_steps=1), runtime(4), tmp_path / "model", "test")
    said = capsys.readouterr().err
    assert "1 rows cut at training.max_length, 1 rows left out" in said
    fit(base, tmp_path / "whole", max_steps=1)
    assert "cut" not in capsys.readouterr().err


def test_finetune_learns_every_answer_of_a_chat(base: Path, tmp_path: Path) -> None:
    first = [{"role": "user", "content": "Say one."}, {"role": "assistant", "content": "red, blue"}]
    last = [{"role": "user", "content": "Again."}, {"role": "assistant", "content": "no"}]
    recipe = training(base, epochs=40.0)
    finetune([[[*first, *last]] * 4], recipe, runtime(4), tmp_path / "model", "test")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    for chat, answer in (([first[0]], "red, blue"), ([*first, last[0]], "no")):
        prompt = tokenizer.apply_chat_template(
            chat, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        given = model.generate(**prompt, max_new_tokens=12, do_sample=False)
        said = tokenizer.decode(given[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
        assert said.strip() == answer


def test_finetune_does_not_clip_gradients(base: Path, tmp_path: Path, caplog: Any) -> None:
    """A learning rate ten times as high moves the weights of one step ten times as far, and AdamW
    would hide clipping, so the setting itself is looked at."""
    from stages.training.text import arguments  # noqa: PLC0415

    options = arguments(training(base), runtime(4), tmp_path)
    assert options.max_grad_norm == 0
    assert (options.adam_beta1, options.adam_beta2) == (0.9, 0.999)


def test_finetune_in_bfloat16_saves_bfloat16(base: Path, tmp_path: Path) -> None:
    exact = fit(base, tmp_path / "exact")
    rough = fit(base, tmp_path / "rough", precision="bfloat16")
    weights = load_file(tmp_path / "rough" / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.bfloat16}
    assert rough.curve != exact.curve  # computed in it, too
    assert rough.loss == pytest.approx(exact.loss, rel=0.05)


LORA = Lora(rank=4, alpha=8, dropout=0.1, targets=["q_proj", "v_proj"])


def test_finetune_with_adapters_saves_a_whole_model(base: Path, tmp_path: Path) -> None:
    fitted = fit(base, tmp_path / "model", epochs=10.0, lora=LORA)
    assert fitted.loss < fitted.curve[0]["loss"]
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert "model.safetensors" in names and not any("adapter" in name for name in names)
    before, after = (
        load_file(folder / "model.safetensors") for folder in (base, tmp_path / "model")
    )
    assert before.keys() == after.keys()
    changed = {name.split(".")[-2] for name in before if not before[name].equal(after[name])}
    assert changed == {"q_proj", "v_proj"}


def test_finetune_with_adapters_twice_gives_the_same_bytes(base: Path, tmp_path: Path) -> None:
    fit(base, tmp_path / "one", lora=LORA)
    fit(base, tmp_path / "two", lora=LORA)
    one, two = (file_hash(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert one == two


def test_adapters_for_a_layer_that_is_not_there_name_those_that_are(
    base: Path, tmp_path: Path
) -> None:
    lora = LORA.model_copy(update={"targets": ["query"]})
    with pytest.raises(BuildError, match="training.lora.targets: query.*q_proj"):
        fit(base, tmp_path / "model", lora=lora)


def llama(base: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(base)


def mistral(base: Path) -> PreTrainedModel:
    """With a window of attention that is shorter than a packed sequence."""
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=2048, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, sliding_window=8, pad_token_id=0,
        initializer_range=0.3,
    )  # fmt: skip
    return MistralForCausalLM(config)


def rows_of(lengths: list[int]) -> pa.Table:
    torch.manual_seed(1)
    ids = [torch.randint(5, 300, (length,)).tolist() for length in lengths]
    return pa.table({"input_ids": ids, "labels": ids})


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("make", [llama, mistral])
def test_loss_of_packed_rows_is_the_loss_of_the_rows_apart(
    base: Path, make: Callable[[Path], PreTrainedModel], attention: str
) -> None:
    model = make(base).eval()
    model.set_attn_implementation(attention)
    table = rows_of([5, 17, 9, 12, 3, 20])
    packed = packing.pack(table, 24, 0)
    assert len(packed) < table.num_rows  # some rows share a sequence
    batch = packing.packed_collator(model, 0)(list(packed))

    def loss(**inputs: torch.Tensor) -> torch.Tensor:
        labels = inputs.pop("labels")[:, 1:]
        logits = model(**inputs, use_cache=False).logits[:, :-1]
        return torch.nn.functional.cross_entropy(
            logits[labels != -100], labels[labels != -100], reduction="sum"
        )

    with torch.no_grad():
        together = loss(**batch)
        apart = sum(
            loss(input_ids=torch.tensor([row["input_ids"]]), labels=torch.tensor([row["labels"]]))
            for row in table.to_pylist()
        )
        seeing = {name: batch[name] for name in ("input_ids", "labels")}
        assert together == pytest.approx(float(apart), rel=1e-5)
        assert float(loss(**seeing)) != pytest.approx(float(apart), rel=1e-3)


def test_packing_under_an_attention_that_mixes_rows_is_refused(base: Path) -> None:
    model = llama(base)
    model.config._attn_implementation = "paged|sdpa"
    with pytest.raises(BuildError, match="training.packing.*paged"):
        packing.packed_collator(model, 0)


def test_finetune_with_packing_takes_fewer_steps_over_the_same_tokens(
    base: Path, tmp_path: Path
) -> None:
    apart = fit(base, tmp_path / "one", batch=1, device_batch=1)
    packed = fit(base, tmp_path / "two", batch=1, device_batch=1, packing=True)
    assert packed.tokens == apart.tokens
    assert packed.steps < apart.steps / 2
    assert packed.loss < packed.curve[0]["loss"]


def test_finetune_that_was_ended_goes_on_to_the_same_weights(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoints_apart: Path
) -> None:
    # Adapters have dropout: the random numbers must go on, too. The curve has a point for every
    # other step, and some steps are none.
    recipe = {"epochs": 15.0, "batch": 1, "device_batch": 1, "lora": LORA}
    whole = fit(base, tmp_path / "whole", **recipe)
    assert len(whole.curve) == whole.steps / 2 == 60
    assert not checkpoints_apart.exists()
    monkeypatch.setattr(checkpoints, "APART", 0.0)
    monkeypatch.setattr(checkpoints, "SHARE", float("inf"))
    kept = checkpoints.SaveByTime.on_save

    def stop(self: Any, args: Any, state: Any, control: Any, **options: Any) -> None:
        kept(self, args, state, control, **options)
        if state.global_step > 50:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints.SaveByTime, "on_save", stop)
    with pytest.raises(KeyboardInterrupt):
        fit(base, tmp_path / "again", **recipe)
    assert len(list(checkpoints_apart.glob("*/*/*/checkpoint-*"))) == 1
    monkeypatch.setattr(checkpoints.SaveByTime, "on_save", kept)
    assert fit(base, tmp_path / "again", **recipe) == whole
    one, two = (file_hash(tmp_path / name / "model.safetensors") for name in ("whole", "again"))
    assert one == two
    assert not checkpoints_apart.exists()


def test_training_that_finishes_removes_what_other_runs_of_its_model_left(
    base: Path, tmp_path: Path, checkpoints_apart: Path
) -> None:
    model = tmp_path / "data" / "sample" / "models" / "one"
    given_up, other, elsewhere = (
        checkpoints_apart / name / ("0" * 40) / "checkpoint-9"
        for name in ("sample/one", "sample/two", "paper/one")
    )
    for folder in (given_up, other, elsewhere):
        folder.mkdir(parents=True)
    fit(base, model, max_steps=1)
    assert not (checkpoints_apart / "sample" / "one").exists()
    assert other.is_dir() and elsewhere.is_dir()


def test_checkpoints_are_of_one_run_alone(base: Path, tmp_path: Path) -> None:
    rows, other = pa.table({"input_ids": [[1, 2]]}), pa.table({"input_ids": [[1, 3]]})
    model = tmp_path / "data" / "sample" / "models" / "one"

    def folder(table: pa.Table = rows, at_once: int = 4, torch: str = "2", **changes: Any) -> Path:
        recipe = training(base, **changes)
        return checkpoints.checkpoint_folder(
            model, table, recipe, runtime(at_once), {"torch": torch}
        )

    assert folder() == folder()
    assert folder().parent == checkpoints.FOLDER / "sample" / "one"
    others = {folder(other), folder(at_once=2), folder(torch="3"), folder(seed=1), folder(batch=8)}
    assert len(others | {folder()}) == 6


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from stages.training import checkpoints
from tests.test_training_text import CHATS, runtime, training
from stages.training.text import finetune
checkpoints.FOLDER, checkpoints.APART, checkpoints.SHARE = Path({folder!r}), 0.0, float("inf")
chosen = training(Path({base!r}), epochs=60.0)
print(finetune([CHATS], chosen, runtime(4), Path({model!r}), "test"))
"""


@pytest.mark.pipeline
def test_training_that_was_killed_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    base, folder = ROOT / "base" / "tiny", tmp_path / "checkpoints"

    def start(model: str) -> subprocess.Popen[str]:
        code = KILLED.format(
            root=str(ROOT), folder=str(folder), base=str(base), model=str(tmp_path / model)
        )
        return subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"}, cwd=ROOT,
        )  # fmt: skip

    whole, _ = start("whole").communicate(timeout=600)
    assert "Fitted(" in whole
    killed = start("again")
    wanted = time.monotonic() + 600
    while not list(folder.glob("*/again/*/checkpoint-[3-9]?")):
        assert killed.poll() is None, killed.communicate()[1]
        assert time.monotonic() < wanted
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (tmp_path / "again").exists()
    again, said = start("again").communicate(timeout=600)
    assert "was ended early, goes on after step" in said
    assert again == whole
    one, two = (file_hash(tmp_path / name / "model.safetensors") for name in ("whole", "again"))
    assert one == two
    assert not folder.exists()


SHARED = """
import os, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from stages.training import checkpoints
from tests.test_training_text import CHATS, runtime, training
from stages.training.text import finetune
checkpoints.FOLDER = Path({folder!r})
fitted = finetune([CHATS], training(Path({base!r})), runtime(2), Path({model!r}), "test")
Path({folder!r} + os.environ["RANK"]).write_text(repr(fitted))
"""


@pytest.mark.pipeline
def test_two_processes_take_the_steps_of_one_and_save_once(base: Path, tmp_path: Path) -> None:
    alone = fit(base, tmp_path / "alone")
    script = tmp_path / "shared.py"
    script.write_text(
        SHARED.format(
            root=str(ROOT),
            folder=str(tmp_path / "checkpoints"),
            base=str(base),
            model=str(tmp_path / "both"),
        )
    )
    subprocess.run(
        [
            # What `accelerate launch` calls for GPUs; for CPUs it wants MPI.
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
            str(script),
        ],
        check=True, cwd=ROOT, timeout=600,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
    )  # fmt: skip
    first, second = ((tmp_path / f"checkpoints{rank}").read_text() for rank in (0, 1))
    assert f"steps={alone.steps}, tokens={alone.tokens}" in first
    assert first == second
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("alone", "both"))
    for name, weight in one.items():
        assert torch.allclose(weight, two[name], atol=2e-3), name
    assert not (tmp_path / "checkpoints").exists()
