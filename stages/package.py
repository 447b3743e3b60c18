"""Packages a finished dataset for release: data, ledger, manifest and card in one folder.

Reads data/<profile>/datasets/NAME.parquet, the tables, ledgers, quarantines and counts that it
comes from, and its audit; writes data/<profile>/release/NAME/. The folder is a pure function of
these, of the settings and of the library versions. It names neither the Git commit nor dvc.lock,
which change when the content does not: publishing adds them, in a file of their own.

Example: python -m stages.package alpaca-sit
"""

from stages.config.command import pick, run
from stages.config.errors import BuildError
from stages.config.load import load_settings
from stages.config.paths import Paths
from stages.hub.folders import whole_folder
from stages.hub.release import write_release
from stages.rows.measure import write_metrics


def package(name: str) -> None:
    settings = load_settings()
    pick("dataset", name, dict.fromkeys(settings.build.datasets))
    if name not in settings.build.packages:
        raise BuildError(f"'{name}' is not among `packages` in params.yaml. Add it there first.")
    paths = Paths(settings.build.profile)

    with whole_folder(paths.folder("release", name)) as folder:
        manifest = write_release(folder, settings, paths, name)

    files = manifest.files.values()
    replies = sum(file.rows for file in manifest.ledger)
    size = sum(file.bytes for file in files)
    write_metrics(
        paths.metrics(f"release/{name}"),
        {"rows": manifest.rows, "replies": replies, "files": len(files), "bytes": size},
    )
    print(
        f"{name}: {manifest.rows:,} rows and {replies:,} replies, {size / 1e6:.1f} MB, "
        f"licence {manifest.licence}, in {paths.folder('release', name)}"
    )


if __name__ == "__main__":
    run(package)
