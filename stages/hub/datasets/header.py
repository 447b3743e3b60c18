"""The YAML header of a dataset card: what the Hub and `datasets` read."""

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import yaml

from stages.hub.manifest import DatasetManifest
from stages.hub.parts import ParquetFile
from stages.llm.exchange import EXPORT
from stages.rows.row import IMAGE

_SIZES = (
    ("n<1K", 1_000),
    ("1K<n<10K", 10_000),
    ("10K<n<100K", 100_000),
    ("100K<n<1M", 1_000_000),
    ("1M<n<10M", 10_000_000),
    ("10M<n<100M", 100_000_000),
    ("100M<n<1B", 1_000_000_000),
)


def render_header(
    manifest: DatasetManifest,
    title: str,
    repos: Sequence[str],
    tags: Iterable[str],
    rows: pa.Schema,
) -> str:
    """The header; `repos` are the Hub's repositories that it comes from, `rows` its columns."""
    has_pictures = IMAGE.name in rows.names
    generated = any(one.facts.get("engine") != "written" for one in manifest.engines) or any(
        origin.kind == "world" for source in manifest.sources for origin in source.origins
    )
    configs = [("default", "data/train-*", rows, manifest.data)]
    if manifest.ledger:
        configs.append(("ledger", "ledger/ledger-*", EXPORT, manifest.ledger))
    header = {
        "license": manifest.licence,
        "language": sorted(manifest.languages),
        "pretty_name": title,
        "size_categories": [size_category(manifest.rows)],
        "task_categories": ["visual-question-answering" if has_pictures else "text-generation"],
        **({"annotations_creators": ["machine-generated"]} if generated else {}),
        **({"source_datasets": list(repos)} if repos else {}),
        "tags": [
            *(["synthetic"] if generated else []),
            "instruction-tuning",
            *dict.fromkeys(tags),
            "seqsmith",
        ],
        "configs": [_config(name, path) for name, path, _, _ in configs],
        "dataset_info": [_info(name, schema, files) for name, _, schema, files in configs],
    }
    return yaml.safe_dump(header, sort_keys=False, allow_unicode=True)


def size_category(rows: int) -> str:
    """The bracket that the Hub files a dataset of so many rows under; known below 10**9."""
    return next(name for name, limit in _SIZES if rows < limit)


def _config(name: str, path: str) -> dict[str, Any]:
    return {"config_name": name, "data_files": [{"split": "train", "path": path}]}


def _info(name: str, schema: pa.Schema, files: Sequence[ParquetFile]) -> dict[str, Any]:
    size = sum(file.arrow_bytes for file in files)
    return {
        "config_name": name,
        "features": _features(schema),
        "splits": [
            {"name": "train", "num_bytes": size, "num_examples": sum(file.rows for file in files)}
        ],
        "download_size": sum(file.bytes for file in files),
        "dataset_size": size,
    }


def _features(fields: pa.Schema | pa.StructType) -> list[dict[str, Any]]:
    """The columns as the Hub writes `features`."""
    return [
        {"name": field.name, **({"dtype": "image"} if field == IMAGE else _feature(field.type))}
        for field in fields
    ]


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_struct(kind):
        return {"struct": _features(kind)}
    if not pa.types.is_list(kind):
        return {"dtype": str(kind)}
    inner = kind.value_type
    return {"list": _features(inner) if pa.types.is_struct(inner) else str(inner)}
