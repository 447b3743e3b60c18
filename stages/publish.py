"""Publishes a packaged dataset or model: to a local folder, or to the Hugging Face Hub.

NAME is datasets/NAME, models/NAME, or one of `datasets` and `models`: all of them that params.yaml
packages. Reads data/<profile>/release/NAME/; writes data/<profile>/published/NAME/, what a reader
gets, and the receipt NAME.json beside it: target, commit, and every file with its hash. Target
`folder` (the default) copies the release there. Target `hub` makes one commit, reads every file
back, loads it as a reader would, and sets the tag only then. Both add provenance.json, which names
the Git commit and the hash of dvc.lock. What is already published is left as it is.

Example: python -m stages.publish datasets/alpaca-sit
"""

from stages.config.command import pick, run
from stages.config.errors import BuildError
from stages.config.load import load_settings
from stages.config.paths import Paths
from stages.config.settings import Settings
from stages.hub.address import address_of
from stages.hub.manifest import differences, read_manifest
from stages.hub.provenance import provenance_of
from stages.hub.receipt import write_receipt
from stages.hub.refusals import refuse


def publish(name: str) -> None:
    settings = load_settings()
    for reference in pick("package", name, settings.build.packages.groups):
        _publish(settings, reference)


def _publish(settings: Settings, name: str) -> None:
    paths = Paths(settings.build.profile)
    release, target = paths.folder("release", name), paths.folder("published", name)
    manifest = read_manifest(release)
    provenance = provenance_of(release)
    refuse(settings, address_of(settings, paths, name), manifest, provenance)
    if found := differences(release, manifest):
        raise BuildError(
            f"{release}: is not what its manifest says: {found}. Make it again: "
            f"python -m stages.package {name}"
        )

    commit = None
    if settings.profile.publish.target == "hub":
        from stages.hub.to_hub import publish_to_hub  # noqa: PLC0415 - imports datasets: 3 s

        private = settings.profile.publish.private
        commit, provenance = publish_to_hub(release, manifest, provenance, private, target)
    else:
        from stages.hub.to_folder import publish_to_folder  # noqa: PLC0415 - imports datasets: 3 s

        provenance = publish_to_folder(release, manifest, provenance, target)

    write_receipt(target.with_name(f"{target.name}.json"), release, manifest, provenance, commit)
    print(f"{name} is published at {manifest.address}")


if __name__ == "__main__":
    run(publish)
