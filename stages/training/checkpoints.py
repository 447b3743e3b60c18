"""Where a training goes on after it was ended early.

Checkpoints lie under `.checkpoints/<profile>/<model>/<identity>/` at the root of the repository,
not in the model's folder, which DVC deletes before it runs the stage. They hold pickles of our own
(the optimizer's state), which the library loads as tensors only, and are never published. When a
training has finished, all those of its model are removed: its own, and those of runs that were
given up, with another recipe, other rows or other code.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from transformers import TrainerCallback

from stages.config.settings import Runtime, Training, VisionTraining
from stages.models.identity import identify
from stages.rows.parquet import file_hash
from stages.training.devices import count_devices

FOLDER = Path(".checkpoints")

# Seconds. A shorter training starts again; and writing 100 GB for an 8B model with its optimizer
# takes minutes, so at most a twentieth of the time goes into it.
APART = 300.0
SHARE = 1 / 20


def versions(libraries: Iterable[str]) -> dict[str, str]:
    """The installed version of each library."""
    return {library: version(library) for library in libraries}


def checkpoint_folder(
    model: Path,
    rows: pa.Table,
    recipe: Training | VisionTraining,
    runtime: Runtime,
    libraries: Mapping[str, str],
) -> Path:
    """Where a run that makes the folder `model` keeps its checkpoints.

    The folder is of the one run that has all that decides its weights: the rows, in tokens, the
    base, the recipe, the devices, the versions of the libraries, and our own code, so that a run is
    never continued by other code.
    """
    digest = hashlib.sha256()
    for batch in rows.to_batches():
        digest.update(batch.serialize())
    decisive = {
        "rows": digest.hexdigest(),
        "base": str(identify(recipe.base, recipe.revision)),
        "training": recipe.model_dump(),
        "device": [runtime.device, runtime.device_batch, count_devices()],
        "versions": dict(libraries),
        "code": {path.name: file_hash(path) for path in sorted(Path(__file__).parent.glob("*.py"))},
    }
    identity = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:40]
    profile = model.resolve().parents[1].name  # data/<profile>/models/<model>
    return FOLDER / profile / model.name / identity


def newest_checkpoint(folder: Path) -> Path | None:
    """The last checkpoint in `folder` that was written to its end."""
    found = {int(path.name.rpartition("-")[2]): path for path in folder.glob("checkpoint-*")}
    return next(
        (found[step] for step in sorted(found, reverse=True) if _is_whole(found[step])), None
    )


def remove_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of a run that has finished, and all others of its model."""
    of_model = folder.parent
    shutil.rmtree(of_model, ignore_errors=True)
    for above in (of_model.parent, FOLDER):
        if above.is_dir() and not any(above.iterdir()):
            above.rmdir()


def _is_whole(checkpoint: Path) -> bool:
    try:  # the library writes it last
        json.loads((checkpoint / "trainer_state.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return True


class SaveByTime(TrainerCallback):
    """Saves a checkpoint every few minutes, where the loss is logged.

    Only there, because the library forgets the losses since the last point of the curve: a
    continued run has the same curve.
    """

    def __init__(self) -> None:
        self._last = self._took = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._last = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if control.should_log and state.global_step < state.max_steps and self._is_due():
            control.should_save = True
            self._began = time.monotonic()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._last = time.monotonic()
        self._took = self._last - self._began

    def _is_due(self) -> bool:
        passed = time.monotonic() - self._last
        due = passed >= max(APART, self._took / SHARE)
        if not torch.distributed.is_initialized():
            return due
        # Clocks differ, and all processes must save together.
        answer = [due]
        torch.distributed.broadcast_object_list(answer)
        return answer[0]
