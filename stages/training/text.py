"""Fine-tuning a text model on chats, through TRL's SFTTrainer, with the loss on the answers only.

The loss of an update is the mean over all tokens of its answers, on however many devices and in
however many parts they are computed: a long answer weighs more than a short one. (The paper takes
the mean of each row, and so weighs rows equally, as the side effect of one row at a time.)

Two runs on one machine's CPU give the same weights, to the byte, as long as threads are as many and
libraries the same. On GPUs the order of rows and the first values are the same, but sums in the
kernels of attention and of the loss are not ordered: losses agree to about three digits, weights
do not agree to the byte. Another number of devices, or of rows at once, rounds differently too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import torch
from datasets import Dataset
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    set_seed,
)
from transformers.utils import is_flash_attn_2_available
from transformers.utils.logging import disable_progress_bar
from trl import SFTConfig

from stages.config.errors import BuildError
from stages.config.settings import Runtime, Training
from stages.models.chat import Chat, encode_chats, read_template
from stages.models.unreadable import unreadable
from stages.training.adapters import add_adapters, merge_adapters
from stages.training.checkpoints import checkpoint_folder, remove_checkpoints, versions
from stages.training.devices import is_cpu
from stages.training.fitted import Fitted
from stages.training.order import ORDERS
from stages.training.packing import pack, packed_collator
from stages.training.run import callbacks, options, run
from stages.training.trainer import Trainer

LIBRARIES = ("torch", "transformers", "tokenizers", "trl", "accelerate", "peft")

_SAVED = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_CHECK = "training.base and training.revision, and that it holds safetensors"
_TOKENS = pa.list_(pa.int32())


@dataclass(frozen=True, slots=True)
class Material:
    """Chats as tokens, ready to learn from."""

    table: pa.Table
    """input_ids, labels and length of each row"""
    cut: int
    lost: int

    @property
    def closing(self) -> str:
        """What there is to say of rows that were not learned whole."""
        said = {"rows cut at training.max_length": self.cut, "rows left out": self.lost}
        return "".join(f", {count:,} {what}" for what, count in said.items() if count)


def finetune(
    batches: Iterable[Sequence[Chat]],
    training: Training,
    runtime: Runtime,
    folder: Path,
    label: str,
) -> Fitted:
    """Fine-tune the base model on `batches` of chats and save it, as safetensors, in `folder`.

    A run that was ended early goes on from its last checkpoint. Under `accelerate launch` every
    process calls this with the same chats, and the first one writes. Raises BuildError when the
    base cannot be read, no row is left, the batch cannot be divided among the devices, or the
    model cannot be trained as the settings ask.
    """
    tokenizer = load_tokenizer(training)
    material = encode(batches, tokenizer, training, label)
    checkpoints = checkpoint_folder(folder, material.table, training, runtime, versions(LIBRARIES))
    # Before the model: it sets up the processes, which then need not all read the weights.
    settings = arguments(training, runtime, checkpoints)
    model = load_model(training, runtime)
    trainer, fitted = learn(material, model, tokenizer, training, settings, label)
    _save(trainer, tokenizer, training, checkpoints / "trained", folder)
    if trainer.is_world_process_zero():
        remove_checkpoints(checkpoints)
    return fitted


def load_tokenizer(training: Training) -> PreTrainedTokenizerBase:
    """The base's tokenizer with our chat template. Raises BuildError when it cannot be read."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(training.base, revision=training.revision or None)
    except (OSError, ValueError) as error:
        raise unreadable("base model", training.base, error, _CHECK) from error
    tokenizer.chat_template = read_template(training.template)
    return tokenizer


def load_model(training: Training, runtime: Runtime) -> PreTrainedModel:
    """The base, to be trained on this device. Raises BuildError when it cannot be read."""
    flash = not is_cpu(runtime) and is_flash_attn_2_available()
    return _read_base(training, "flash_attention_2" if flash else "sdpa")


def _read_base(training: Training, attention: str = "sdpa") -> PreTrainedModel:
    # In 32 bits whatever `precision` is: what is computed in 16 is still added up in 32, in which
    # small updates are not lost.
    # Bars for reading and writing weights, apart from the one line of the stage; downloads keep
    # theirs.
    disable_progress_bar()
    try:
        return AutoModelForCausalLM.from_pretrained(
            training.base,
            revision=training.revision or None,
            use_safetensors=True,
            dtype=torch.float32,
            attn_implementation=attention,
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise unreadable("base model", training.base, error, _CHECK) from error


def encode(
    batches: Iterable[Sequence[Chat]],
    tokenizer: PreTrainedTokenizerBase,
    training: Training,
    label: str,
) -> Material:
    """The tokens and labels of all chats. Raises BuildError when there is nothing to learn."""
    schema = pa.schema([("input_ids", _TOKENS), ("labels", _TOKENS), ("length", pa.int32())])
    parts, cut, lost = [], 0, 0
    for chats in batches:
        examples = encode_chats(tokenizer, chats, training.max_length)
        kept = [example for example in examples if not example.is_lost]
        lost += len(examples) - len(kept)
        cut += sum(example.cut for example in kept)
        columns = [
            [example.ids for example in kept],
            [example.labels for example in kept],
            [len(example.ids) for example in kept],
        ]
        parts.append(pa.table(columns, schema=schema))
    if not any(part.num_rows for part in parts):
        raise BuildError(
            f"{label}: none of {lost:,} rows has an answer within training.max_length = "
            f"{training.max_length} tokens. Raise it, or build the dataset first."
        )
    return Material(pa.concat_tables(parts), cut, lost)


def learn(
    material: Material,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    training: Training,
    settings: SFTConfig,
    label: str,
) -> tuple[Trainer, Fitted]:
    """Train `model`, from its newest checkpoint on where there is one; it is not saved."""
    set_seed(training.seed)
    if tokenizer.pad_token_id is None:  # Llama 3 has none; labels keep the learned end marks apart
        tokenizer.pad_token = tokenizer.eos_token
    if training.packing:
        dataset = pack(material.table, training.max_length, training.seed)
        lengths = [sum(rows) for rows in dataset["seq_lengths"]]
        collator = packed_collator(model, tokenizer.pad_token_id)
    else:
        dataset, collator = Dataset(material.table), None
        lengths = material.table["length"].to_pylist()
    order = ORDERS[training.order](lengths, training.batch, training.seed)
    if training.lora:
        model = add_adapters(model, training.lora)
    trainer = Trainer(
        order,
        model=model,
        args=settings,
        train_dataset=dataset,
        data_collator=collator,
        processing_class=tokenizer,
        callbacks=callbacks(label, order, training, material.closing),
    )
    return trainer, run(trainer, order, material.table.num_rows, material.cut, material.lost)


def arguments(training: Training, runtime: Runtime, checkpoints: Path) -> SFTConfig:
    """The settings in the library's words. Raises BuildError when the batch cannot be divided."""
    return SFTConfig(
        **options(training, runtime, checkpoints),
        lr_scheduler_type=training.schedule,
        # Rows come tokenised, masked and cut (chat.py), or packed: nothing is left to prepare.
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
    )


def _save(
    trainer: Trainer,
    tokenizer: PreTrainedTokenizerBase,
    training: Training,
    between: Path,
    folder: Path,
) -> None:
    """Write the model's folder: whole, merged weights in the precision of the training.

    What the library saves goes to `between` first: it may be adapters, and has a pickle of the
    arguments with the paths of this machine in it.
    """
    if trainer.is_fsdp_enabled:
        # Checkpoints are in shards, which are quicker to write; of a model in shards the library
        # would save nothing.
        trainer.accelerator.state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")
    trainer.save_model(str(between))
    if not trainer.is_world_process_zero():
        return
    if training.lora:
        model = merge_adapters(_read_base(training), between)
    else:
        model = AutoModelForCausalLM.from_pretrained(between, dtype=torch.float32)
    model.config.use_cache = True  # the trainer turns it off, and generation wants it
    model.to(_SAVED[training.precision]).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
