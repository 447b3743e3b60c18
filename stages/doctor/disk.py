"""Disk: what the tables and models of a build take, and what is free."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from stages.config.lineage import lineage
from stages.config.settings import Settings
from stages.doctor.amounts import in_bytes
from stages.doctor.finding import Finding
from stages.doctor.memory import Load, SizeOf

_ROW = 4_000
"""bytes of a row in each table that it passes, with its replies: some 500 words, compressed"""
_PICTURE = 160_000
"""bytes of a photo of COCO, which each table of such rows holds again"""
_COPIES = 2
"""DVC's cache holds what the working tree holds, where the file system cannot share it"""
_CHECKPOINT = 12
"""bytes for each parameter: weights and the two moments of AdamW, in 32 bits"""
_SAVED = {"float32": 4, "bfloat16": 2}


def disk(settings: Settings, found: Sequence[Load], size_of: SizeOf, folder: Path) -> Finding:
    """Whether as much is free as tables and models of the profile may take."""
    tables, all_rows_known = tables_take(settings)
    models, all_sizes_known = models_take(settings, found, size_of)
    free, needed = shutil.disk_usage(folder).free, tables + models
    least = "" if all_rows_known and all_sizes_known else "at least "
    rest = in_bytes(models) if all_sizes_known else "sizes not all known yet"
    told = f"{least}{in_bytes(needed)}: tables {in_bytes(tables)}, models {rest}"
    here = f"{in_bytes(free)} free"
    if free < needed:
        return Finding("disk", "missing", here, told, "Free some, or check out on a larger disk.")
    return Finding("disk", "ok", here, told)


def tables_take(settings: Settings) -> tuple[float, bool]:
    """Bytes of all tables with DVC's copies; whether the rows of every source are limited."""
    build, sources = settings.build, settings.profile.sources
    total, all_known = 0.0, True
    for reference in [*build.upstreams, *build.tables]:
        kind, _, name = lineage(build, reference)[0].partition("/")
        if kind not in ("sources", "translations"):
            continue
        source = sources[name]
        if source.rows is None:
            all_known = all_known and source.origin == "file"
            continue
        total += source.rows * (_PICTURE if source.shape == "vqa" else _ROW)
    return _COPIES * total, all_known


def models_take(settings: Settings, found: Sequence[Load], size_of: SizeOf) -> tuple[float, bool]:
    """Bytes of what is trained, of one checkpoint and of downloads; whether all sizes are known."""
    total, largest, all_known = 0.0, 0, True
    for name in settings.build.models:
        recipe = settings.training(name)
        size = size_of(recipe.base, recipe.revision)
        if size is None:
            all_known = False
            continue
        total += _COPIES * _SAVED[recipe.precision] * size
        largest = max(largest, size)
    for model, revision in dict.fromkeys((load.model, load.revision) for load in found):
        if Path(model).is_dir():
            continue
        size = size_of(model, revision)
        if size is None:
            all_known = False
        else:
            total += 2 * size
    return total + _CHECKPOINT * largest, all_known
