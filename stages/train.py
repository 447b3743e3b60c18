"""Fine-tunes a base model on a dataset.

Reads the dataset that the model names in params.yaml and its recipe from the profile (`training`,
or the one of `trainings` that it names), writes data/<profile>/models/NAME/: the model as
safetensors, its tokenizer with the chat template, and training.json (what it was made of). Beside
it go the counts (.metrics.json) and the loss over the steps (.loss.csv). A training that was ended
early goes on from its last checkpoint, under .checkpoints/. On several devices:
accelerate launch --config_file packaging/accelerate/fsdp.yaml -m stages.train NAME.

Example: python -m stages.train alpaca-sit
"""

import csv
import json
import os

from stages.config.command import pick, run
from stages.config.load import load_settings
from stages.config.paths import Paths, must_exist
from stages.config.settings import VisionTraining
from stages.models.identity import identify
from stages.rows.measure import write_metrics
from stages.rows.parquet import file_hash, logical_hash, read_batches
from stages.training import text
from stages.training.checkpoints import versions


def train(name: str) -> None:
    settings = load_settings()
    runtime, paths = settings.profile.runtime, Paths(settings.build.profile)
    dataset = pick("model", name, settings.build.models).dataset
    recipe = settings.training(name)
    table = must_exist(paths.table(f"datasets/{dataset}"))
    folder = paths.folder("models", name)
    base = identify(recipe.base, recipe.revision)

    rows = read_batches(table)
    if isinstance(recipe, VisionTraining):
        from stages.training import vision  # noqa: PLC0415 - no other model needs its libraries

        libraries: tuple[str, ...] = vision.LIBRARIES
        each = (row for batch in rows for row in batch)
        fitted = vision.finetune(each, recipe, runtime, folder, f"train {name}")
    else:
        libraries = text.LIBRARIES
        chats = ([row.messages for row in batch] for batch in rows)
        fitted = text.finetune(chats, recipe, runtime, folder, f"train {name}")
    if os.environ.get("RANK", "0") != "0":
        return  # one process of several: the first writes

    made_of = {
        "dataset": {
            "name": dataset,
            "file_sha256": file_hash(table),
            "logical_sha256": logical_hash(table),
        },
        "base": {"name": base.name, "revision": base.revision},
        "settings": recipe.model_dump(),
        **fitted.counts,
        "versions": versions(libraries),
    }
    (folder / "training.json").write_text(json.dumps(made_of, indent=2) + "\n", "utf-8")
    curve = paths.folder("models") / f"{name}.loss.csv"
    with curve.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fitted.curve[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(fitted.curve)
    write_metrics(paths.metrics(f"models/{name}"), {"loss": fitted.loss, **fitted.counts})


if __name__ == "__main__":
    run(train)
