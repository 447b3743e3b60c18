"""Packages a finished dataset or model for release: content, manifest and card in one folder.

NAME is datasets/NAME or models/NAME. Of a dataset, reads data/<profile>/datasets/NAME.parquet, the
tables, ledgers, quarantines and counts that it comes from, and its audit; writes
data/<profile>/release/NAME/. The folder is a pure function of these, of the settings and of the
library versions. It names neither the Git commit nor dvc.lock, which change when the content does
not: publishing adds them, in a file of their own.

Example: python -m stages.package datasets/alpaca-sit
"""

from stages.config.command import pick, run
from stages.config.load import load_settings
from stages.config.paths import Paths
from stages.hub.datasets.release import write_release
from stages.hub.folders import whole_folder
from stages.rows.measure import write_metrics


def package(name: str) -> None:
    settings = load_settings()
    pick("package", name, dict.fromkeys(settings.build.packages.references))
    paths = Paths(settings.build.profile)

    with whole_folder(paths.folder("release", name)) as folder:
        manifest = write_release(folder, settings, paths, name.partition("/")[2])

    size = sum(file.bytes for file in manifest.files.values())
    counts = {"rows": manifest.rows, "replies": sum(file.rows for file in manifest.ledger)}
    files = {"files": len(manifest.files), "bytes": size}
    write_metrics(paths.metrics(f"release/{name}"), counts | files)
    print(
        f"{name}: {manifest.rows:,} rows and {counts['replies']:,} replies, {size / 1e6:.1f} MB, "
        f"licence {manifest.licence}, in {paths.folder('release', name)}"
    )


if __name__ == "__main__":
    run(package)
