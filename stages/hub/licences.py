"""Licences: which one a release carries when its sources and its generator have several."""

from collections.abc import Sequence

from stages.config.errors import BuildError
from stages.hub.parts import Licence

UNKNOWN = "unknown"
"""stands for a licence that nobody stated"""

# Hub ids, each asking at least as much of the reader as the one before: nothing, notice,
# attribution, share-alike, terms on what is trained with it, no commercial use.
BY_STRICTNESS = (
    "cc0-1.0",
    "mit",
    "apache-2.0",
    "odc-by",
    "cc-by-4.0",
    "cc-by-sa-4.0",
    "llama3",
    "cc-by-nc-4.0",
    "cc-by-nc-sa-4.0",
    UNKNOWN,
)


def strictest(licences: Sequence[Licence], where: str) -> str:
    """The strictest of the licences; `where` is the file that names them.

    Raises BuildError for an id that has no place in the order.
    """
    ranks = []
    for one in licences:
        if one.licence.lower() not in BY_STRICTNESS:
            raise BuildError(
                f"{where}: the licence of {one.of} is '{one.licence}', which cannot be compared. "
                f"Known: {', '.join(BY_STRICTNESS)}. Name one of them, or give yours its place in "
                "stages/hub/licences.py."
            )
        ranks.append(BY_STRICTNESS.index(one.licence.lower()))
    return BY_STRICTNESS[max(ranks)]
