"""What a release asks its users to cite: the works behind its methods and its sources."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import yaml


def cite(methods: Iterable[str], repositories: Iterable[str]) -> list[str]:
    """BibTeX of methods, by key, then of what repositories on the Hub ask for; each once."""
    known = _citations()
    of_sources = (key for repo in repositories for key in known["repositories"].get(repo, []))
    return [known["works"][key] for key in dict.fromkeys((*methods, *of_sources))]


@cache
def _citations() -> dict:
    path = Path(__file__).with_name("citations.yaml")
    return yaml.safe_load(path.read_text(encoding="utf-8"))
