"""An upstream: where records come from, and the records themselves as they were found."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from stages.sources.shape import Shape


@dataclass(frozen=True, slots=True)
class Upstream:
    """Records in upstream order, not yet checked, where they come from, and their shape."""

    repo: str
    """Hub repository, file name, or `world`"""
    revision: str
    """commit of the repository, SHA-256 of the file, or revision of the world"""
    records: Iterator[object]
    """raises BuildError where the upstream itself cannot be read"""
    shape: Shape
    unread: tuple[str, ...] = ()
    """columns that `records` leaves out"""
    only: Mapping[str, str] = field(default_factory=dict)
    """the part of the upstream that is the source: column -> how its text begins"""

    def is_wanted(self, record: object) -> bool:
        """Whether a record belongs to that part. What is no record belongs to every part."""
        if not isinstance(record, dict):
            return True
        return all(str(record.get(name, "")).startswith(text) for name, text in self.only.items())
