"""What must not be published, and why: one sentence each."""

from collections.abc import Iterator

from stages.config.errors import BuildError
from stages.config.settings import Settings
from stages.hub.address import Address
from stages.hub.licences import UNKNOWN, strictest
from stages.hub.manifest import Manifest, ModelManifest
from stages.hub.provenance import Provenance


def refuse(
    settings: Settings, address: Address, manifest: Manifest, provenance: Provenance
) -> None:
    """Raise BuildError when the release must not be published to `address`."""
    for refusal in refusals(settings, address, manifest, provenance):
        raise BuildError(refusal)


def refusals(
    settings: Settings, address: Address, manifest: Manifest, provenance: Provenance
) -> Iterator[str]:
    """All that speaks against publishing the release to `address`."""
    name, profile = manifest.reference, settings.build.profile
    if manifest.errors:
        yield (
            f"{name}: is not published, because its audit failed: {' '.join(manifest.errors)} "
            f"Mend that and audit it again: python -m stages.validate {_audited(manifest)}"
        )
    try:
        if not manifest.licences:
            raise BuildError(f"{name}: its manifest names no licence. Package it again.")
        strictest(manifest.licences, name)
    except BuildError as error:
        yield str(error)
    if settings.profile.publish.target == "hub":
        yield from _refusals_of_the_hub(settings, manifest, provenance)
    if manifest.address != address:
        yield (
            f"{name}: its card says to load it from '{manifest.address}', but profile '{profile}' "
            f"publishes it to '{address}'. Package it again: python -m stages.package {name}"
        )


def _refusals_of_the_hub(
    settings: Settings, manifest: Manifest, provenance: Provenance
) -> Iterator[str]:
    name, profile = manifest.reference, settings.build.profile
    if not settings.profile.releasable:
        yield (
            f"{name}: profile '{profile}' is not releasable, so nothing of it goes to the Hub. Set "
            f"publish.target to folder in profiles/{profile}.yaml, or build another profile."
        )
    if not settings.profile.publish.namespace:
        yield (
            f"{name}: publish.namespace is empty in profiles/{profile}.yaml. Name the user or the "
            "organisation on the Hub that the repository is to belong to."
        )
    if unknown := [one.of for one in manifest.licences if one.licence.lower() == UNKNOWN]:
        yield (
            f"{name}: the licence of {', '.join(unknown)} is not known, so it is not published on "
            "the Hub. Build it from what has a licence that the profile states."
        )
    if provenance.git_commit is None:
        yield f"{name}: there is no Git commit to name as its origin. Publish from a checkout."
    if provenance.git_dirty:
        yield (
            f"{name}: the Git tree has changes that are not committed, so no commit names what it "
            "was built from. Commit them, dvc.lock included, and publish again."
        )


def _audited(manifest: Manifest) -> str:
    """The dataset that the audit is of."""
    if isinstance(manifest, ModelManifest):
        return manifest.trained.dataset.rpartition("/")[2]
    return manifest.name
