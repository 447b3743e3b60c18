"""Fine-tuning InstructBLIP on questions about pictures, with the loss on the answers only.

The Q-Former learns, and what `also_train` names beside it; the image encoder and the language model
stay as they are. The same rows and settings give the same weights on the CPU of one machine; on
GPUs sums in some kernels are not ordered, and weights do not agree to the byte.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
import transformers
from datasets import Dataset
from safetensors import SafetensorError
from transformers import (
    InstructBlipForConditionalGeneration,
    InstructBlipProcessor,
    TrainingArguments,
    set_seed,
)
from transformers.utils.logging import disable_progress_bar

from stages.config.errors import BuildError
from stages.config.settings import Runtime, VisionTraining
from stages.models.chat import IGNORED
from stages.models.instructblip import (
    encode_answer,
    encode_question,
    load_processor,
    pad_right,
    see,
)
from stages.models.unreadable import unreadable
from stages.rows.parquet import BATCH
from stages.rows.row import Row
from stages.sources.pictures import Pictures
from stages.training.checkpoints import checkpoint_folder, remove_checkpoints, versions
from stages.training.fitted import Fitted
from stages.training.order import ORDERS, InOrder
from stages.training.run import callbacks, options, run

LIBRARIES = ("torch", "transformers", "tokenizers", "accelerate", "pillow")

_KEPT = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""of what does not learn, and of all weights when they are saved"""
_CHECK = (
    "the base and the revision of this training, and that it is an InstructBLIP with safetensors"
)
_TOKENS = pa.list_(pa.int32())
_SCHEMA = pa.schema(
    [
        ("input_ids", _TOKENS),
        ("labels", _TOKENS),
        ("qformer_input_ids", _TOKENS),
        ("picture", pa.binary(32)),
        ("length", pa.int32()),
    ]
)


@dataclass(frozen=True, slots=True)
class Material:
    """Questions about pictures and their answers, ready to learn from."""

    table: pa.Table
    """tokens, labels, and the key of the picture"""
    pictures: Pictures
    """on disk, encoded as they came"""
    cut: int

    @property
    def closing(self) -> str:
        """What there is to say of rows that were not learned whole."""
        return f", {self.cut:,} rows cut" if self.cut else ""


def finetune(
    rows: Iterable[Row], recipe: VisionTraining, runtime: Runtime, folder: Path, label: str
) -> Fitted:
    """Fine-tune the base model on `rows` and save it, as safetensors, in `folder`.

    Memory holds the tokens of all rows and the pictures of one batch; the pictures go to a
    temporary file, each once. A run that was ended early goes on from its last checkpoint. Raises
    BuildError when the base cannot be read, a row has no picture that can be decoded, there are no
    rows, or the batch cannot be divided among the devices.
    """
    model = _load(recipe)
    processor = _load_processor(recipe, model.config.num_query_tokens)
    material = _encode(rows, processor, recipe, label)
    checkpoints = checkpoint_folder(folder, material.table, recipe, runtime, versions(LIBRARIES))
    trainer, fitted = _learn(material, model, processor, recipe, runtime, checkpoints, label)
    if trainer.is_world_process_zero():
        model.generation_config.update(
            num_beams=recipe.beams,
            repetition_penalty=recipe.repetition_penalty,
            length_penalty=recipe.length_penalty,
        )
        model.to(_KEPT[recipe.precision]).save_pretrained(folder)
        processor.save_pretrained(folder)
        remove_checkpoints(checkpoints)
    return fitted


def _load(recipe: VisionTraining) -> InstructBlipForConditionalGeneration:
    """The base, with what learns in 32 bits, in which small updates are not lost."""
    disable_progress_bar()  # of reading and writing weights; downloads keep theirs
    try:
        model = InstructBlipForConditionalGeneration.from_pretrained(
            recipe.base,
            revision=recipe.revision or None,
            use_safetensors=True,
            dtype=_KEPT[recipe.precision],
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise unreadable("base model", recipe.base, error, _CHECK) from error
    learning = {"qformer", *recipe.also_train}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.partition(".")[0] in learning)
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return model


def _load_processor(recipe: VisionTraining, queries: int) -> InstructBlipProcessor:
    try:
        return load_processor(recipe.base, recipe.revision or None, queries)
    except (OSError, ValueError) as error:
        raise unreadable("base model", recipe.base, error, _CHECK) from error


def _encode(
    rows: Iterable[Row], processor: InstructBlipProcessor, recipe: VisionTraining, label: str
) -> Material:
    pictures, cut = Pictures(), 0
    parts = []
    waiting = iter(rows)
    while some := list(islice(waiting, BATCH)):
        records = [_encode_row(row, processor, recipe, pictures, label) for row in some]
        cut += sum(record.pop("cut") for record in records)
        parts.append(pa.Table.from_pylist(records, schema=_SCHEMA))
    if not parts:
        raise BuildError(f"{label}: the dataset holds no rows. Build it first, with `dvc repro`.")
    return Material(pa.concat_tables(parts), pictures, cut)


def _encode_row(
    row: Row,
    processor: InstructBlipProcessor,
    recipe: VisionTraining,
    pictures: Pictures,
    label: str,
) -> dict[str, Any]:
    if row.image is None or row.system or row.further:
        found = "a system prompt or a dialogue" if row.image else "no picture"
        raise BuildError(
            f"{label}: the row {row.id} has {found}; InstructBLIP learns single questions about a "
            "picture. Train this dataset with a text model."
        )
    try:
        picture = pictures.keep(row.image.bytes)
    except ValueError as error:
        raise BuildError(
            f"{label}: the picture {row.image.path} of the row {row.id} {error}. Build the dataset "
            "again; its source quarantines such rows."
        ) from error
    question = encode_question(processor, row.query, recipe.max_prompt)
    answer, cut = encode_answer(processor, row.output, recipe.max_answer)
    ids = question.ids + answer
    return {
        "input_ids": ids,
        "labels": [IGNORED] * len(question.ids) + answer,
        "qformer_input_ids": question.qformer_ids,
        "picture": picture,
        "length": len(ids),
        "cut": question.cut or cut,
    }


class _Trainer(InOrder, transformers.Trainer):
    """Rows in an order of ours."""


@dataclass(frozen=True, slots=True)
class _Collator:
    """Rows of `_SCHEMA` as the model's input; only here are pictures decoded."""

    processor: InstructBlipProcessor
    pictures: Pictures

    def __call__(self, records: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        ids = [record["input_ids"] for record in records]
        qformer_ids = [record["qformer_input_ids"] for record in records]
        return {
            "pixel_values": see(
                self.processor, [self.pictures.get(record["picture"]) for record in records]
            ),
            "input_ids": pad_right(ids, 0),
            "attention_mask": pad_right([[1] * len(one) for one in ids], 0),
            "qformer_input_ids": pad_right(qformer_ids, 0),
            "qformer_attention_mask": pad_right([[1] * len(one) for one in qformer_ids], 0),
            "labels": pad_right([record["labels"] for record in records], IGNORED),
        }


def _learn(
    material: Material,
    model: InstructBlipForConditionalGeneration,
    processor: InstructBlipProcessor,
    recipe: VisionTraining,
    runtime: Runtime,
    checkpoints: Path,
    label: str,
) -> tuple[_Trainer, Fitted]:
    set_seed(recipe.seed)
    order = ORDERS[recipe.order](material.table["length"].to_pylist(), recipe.batch, recipe.seed)
    trainer = _Trainer(
        order,
        model=model,
        args=_arguments(recipe, runtime, checkpoints),
        train_dataset=Dataset(material.table),
        data_collator=_Collator(processor, material.pictures),
        callbacks=callbacks(label, order, recipe, material.closing),
    )
    return trainer, run(trainer, order, material.table.num_rows, material.cut, 0)


def _arguments(recipe: VisionTraining, runtime: Runtime, checkpoints: Path) -> TrainingArguments:
    return TrainingArguments(
        **options(recipe, runtime, checkpoints),
        lr_scheduler_type="cosine",
        remove_unused_columns=False,
    )
