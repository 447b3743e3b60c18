"""Packages a finished dataset or model for release: content, manifest and card in one folder.

NAME is datasets/NAME, models/NAME, or one of `datasets` and `models`: all of them that params.yaml
packages. Of a dataset, reads data/<profile>/datasets/NAME.parquet, the tables, ledgers, quarantines
and counts that it comes from, and its audit; of a model, data/<profile>/models/NAME/, its dataset
with the audit, its scores and comparisons. Writes data/<profile>/release/NAME/. The folder is a
pure function of these, of the settings and of the library versions. It names neither the Git commit
nor dvc.lock, which change when the content does not: publishing adds them, in a file of their own.

Example: python -m stages.package datasets/alpaca-sit
"""

from stages.config.command import pick, run
from stages.config.load import load_settings
from stages.config.paths import Paths
from stages.config.settings import Settings
from stages.hub.datasets.release import write_release
from stages.hub.folders import whole_folder
from stages.hub.manifest import DatasetManifest, ModelManifest
from stages.rows.measure import write_metrics


def package(name: str) -> None:
    settings = load_settings()
    for reference in pick("package", name, settings.build.packages.groups):
        _package(settings, reference)


def _package(settings: Settings, name: str) -> None:
    paths = Paths(settings.build.profile)
    kind, _, named = name.partition("/")

    manifest: DatasetManifest | ModelManifest
    with whole_folder(paths.folder("release", name)) as folder:
        if kind == "models":
            from stages.hub.models.release import write_model_release  # noqa: PLC0415 - has Polars

            manifest = write_model_release(folder, settings, paths, named)
        else:
            manifest = write_release(folder, settings, paths, named)

    counts = _counts(manifest)
    size = sum(file.bytes for file in manifest.files.values())
    files = {"files": len(manifest.files), "bytes": size}
    write_metrics(paths.metrics(f"release/{name}"), counts | files)
    said = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    print(
        f"{name}: {said}, {size / 1e6:.1f} MB, licence {manifest.licence}, in "
        f"{paths.folder('release', name)}"
    )


def _counts(manifest: DatasetManifest | ModelManifest) -> dict[str, int]:
    if isinstance(manifest, ModelManifest):
        run = sum(bool(one.scores) for one in manifest.scores)
        return {"parameters": manifest.parameters, "benchmarks": run}
    return {"rows": manifest.rows, "replies": sum(file.rows for file in manifest.ledger)}


if __name__ == "__main__":
    run(package)
