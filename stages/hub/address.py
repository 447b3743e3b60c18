"""The address of a release: where the profile publishes it, and its card says to load it from."""

from pydantic import BaseModel, ConfigDict

from stages.config.paths import Paths
from stages.config.settings import Settings


class Address(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    path: str
    """`namespace/name` on the Hub, or a folder relative to the root of the repository"""
    revision: str
    """tag on the Hub; empty for a folder, which has no revisions"""

    def __str__(self) -> str:
        return f"{self.path} {self.revision}".strip()


def address_of(settings: Settings, paths: Paths, reference: str) -> Address:
    """Where the profile publishes `datasets/NAME` or `models/NAME`."""
    publish = settings.profile.publish
    if publish.target == "hub":
        repo = publish.names.get(reference, reference.partition("/")[2])
        return Address(path=f"{publish.namespace}/{repo}", revision=publish.tag)
    return Address(path=paths.folder("published", reference).as_posix(), revision="")
