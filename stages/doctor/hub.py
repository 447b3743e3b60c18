"""The Hub: whether there is a token, and whether the profile needs one."""

import os
from collections.abc import Sequence
from pathlib import Path

from stages.config.settings import Settings
from stages.doctor.finding import Finding
from stages.doctor.memory import Load

LOGIN = "Set HF_TOKEN, or log in: hf auth login"


def hub(settings: Settings, loads: Sequence[Load]) -> Finding | None:
    """The token of a profile that publishes on the Hub or reads from it; None for other ones."""
    build, profile = settings.build, settings.profile
    publishes = profile.publish.target == "hub"
    reads = (
        any(profile.sources[name].origin == "hub" for name in (*build.sources, *build.translations))
        or any(profile.testsets[name].origin == "hub" for name in build.testsets)
        or not all(Path(load.model).is_dir() for load in loads)
    )
    if not publishes and not reads:
        return None
    needed = "one that may write" if publishes else "one, for gated models and data alone"
    if reads and os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        found, todo = "HF_HUB_OFFLINE is set", "unset HF_HUB_OFFLINE, unless all is in its cache"
        return Finding("Hub token", "warning", found, needed, todo)
    if read_token():
        return Finding("Hub token", "ok", "set; not tried", needed)
    return Finding("Hub token", "missing" if publishes else "warning", "none", needed, LOGIN)


def read_token() -> str:
    """It goes nowhere: what is printed is searched for it."""
    # Put off: 0.2 s, and a profile of the world alone needs no Hub.
    from huggingface_hub import get_token  # noqa: PLC0415

    return get_token() or ""
