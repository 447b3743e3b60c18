"""What must not be published, and why: one sentence each."""

from stages.config.errors import BuildError
from stages.config.settings import Settings
from stages.hub.address import Address
from stages.hub.licences import UNKNOWN
from stages.hub.manifest import Manifest
from stages.hub.provenance import Provenance


def refuse(
    settings: Settings, address: Address, manifest: Manifest, provenance: Provenance
) -> None:
    """Raise BuildError when the release must not be published to `address`."""
    name, profile = manifest.reference, settings.build.profile
    if manifest.errors:
        raise BuildError(
            f"{name}: is not published, because its audit failed: {' '.join(manifest.errors)} "
            f"Mend that and audit it again: python -m stages.validate {manifest.name}"
        )
    if settings.profile.publish.target == "hub":
        _refuse_hub(settings, manifest, provenance)
    if manifest.address != address:
        raise BuildError(
            f"{name}: its card says to load it from '{manifest.address}', but profile '{profile}' "
            f"publishes it to '{address}'. Package it again: python -m stages.package {name}"
        )


def _refuse_hub(settings: Settings, manifest: Manifest, provenance: Provenance) -> None:
    name, profile = manifest.reference, settings.build.profile
    if not settings.profile.releasable:
        raise BuildError(
            f"{name}: profile '{profile}' is not releasable, so nothing of it goes to the Hub. Set "
            f"publish.target to folder in profiles/{profile}.yaml, or build another profile."
        )
    if not settings.profile.publish.namespace:
        raise BuildError(
            f"{name}: publish.namespace is empty in profiles/{profile}.yaml. Name the user or the "
            "organisation on the Hub that the repository is to belong to."
        )
    if manifest.licence == UNKNOWN:
        raise BuildError(
            f"{name}: the licence of some of its rows is not known, so it is not published on the "
            "Hub. Build it from sources whose licence the profile states."
        )
    if provenance.git_commit is None:
        raise BuildError(
            f"{name}: there is no Git commit to name as its origin. Publish from a checkout."
        )
    if provenance.git_dirty:
        raise BuildError(
            f"{name}: the Git tree has changes that are not committed, so no commit names what it "
            "was built from. Commit them, dvc.lock included, and publish again."
        )
