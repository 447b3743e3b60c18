"""How a fine-tune runs, of text as of pictures: its settings in the library's words, its course."""

from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, TrainerCallback

from stages.config.errors import BuildError
from stages.config.settings import Runtime, Training, VisionTraining
from stages.training.checkpoints import SaveByTime, newest_checkpoint
from stages.training.devices import count_devices, is_cpu, rows_at_once
from stages.training.fitted import Fitted, read_curve
from stages.training.order import Order
from stages.training.progress import Watch


def options(
    recipe: Training | VisionTraining, runtime: Runtime, checkpoints: Path
) -> dict[str, Any]:
    """What trainers of text and of pictures are given alike.

    Raises BuildError when the batch cannot be divided among the devices.
    """
    devices, at_once = count_devices(), rows_at_once(recipe.batch, runtime)
    if devices == 1 and not is_cpu(runtime) and torch.cuda.device_count() > 1:
        raise BuildError(
            f"{torch.cuda.device_count()} GPUs are visible to one process. Start one for each, "
            "`accelerate launch --config_file packaging/accelerate/fsdp.yaml -m stages.train NAME`,"
            " or show it one: CUDA_VISIBLE_DEVICES=0."
        )
    return {
        "output_dir": str(checkpoints),
        "seed": recipe.seed,
        "num_train_epochs": recipe.epochs,
        "max_steps": recipe.max_steps or -1,
        "per_device_train_batch_size": at_once,
        "gradient_accumulation_steps": recipe.batch // (at_once * devices),
        "learning_rate": recipe.learning_rate,
        "warmup_steps": recipe.warm_up,
        "weight_decay": recipe.weight_decay,
        "adam_beta1": 0.9,
        "adam_beta2": 0.999,
        # Gradients are not clipped, as in the paper's code; the library would, at a norm of 1.
        "max_grad_norm": 0.0,
        "bf16": recipe.precision == "bfloat16",
        "gradient_checkpointing": runtime.gradient_checkpointing,
        "use_cpu": is_cpu(runtime),
        "dataloader_pin_memory": torch.cuda.is_available(),
        "save_strategy": "no",  # SaveByTime says when
        "save_total_limit": 1,
        "logging_steps": 0.01,
        "report_to": "none",
        "disable_tqdm": True,
    }


def callbacks(
    label: str, order: Order, recipe: Training | VisionTraining, closing: str
) -> list[TrainerCallback]:
    """What a trainer says while it runs, and when it saves."""
    steps = recipe.max_steps or order.steps(recipe.epochs)
    return [Watch(label, order.tokens(steps), closing), SaveByTime()]


def run(trainer: Any, order: Order, rows: int, cut: int, lost: int) -> Fitted:
    """Train to the end, from the newest checkpoint on where there is one; nothing is saved.

    `rows`, `cut` and `lost` are as in `Fitted`.
    """
    trainer.remove_callback(PrinterCallback)
    newest = newest_checkpoint(Path(trainer.args.output_dir))
    trainer.train(resume_from_checkpoint=str(newest) if newest else None)
    done = trainer.state.global_step
    curve = read_curve(trainer.state.log_history)
    return Fitted(rows, cut, lost, done, order.tokens(done)[-1], curve)
