"""Keys of servers: whether the environment holds them; never what they are."""

import os
from collections.abc import Sequence

from stages.doctor.finding import Finding
from stages.doctor.roles import Role

_SHORTEST = 8
"""characters of a secret; what is shorter guards nothing, and would blacken common words"""


def keys(roles: Sequence[Role]) -> list[Finding]:
    """A line for each environment variable that a server of the profile names."""
    return [_key(variable) for variable in dict.fromkeys(_variables(roles))]


def read_key(variable: str) -> str:
    """The key in an environment variable; empty where there is none that could be one."""
    key = os.environ.get(variable, "").strip()
    return key if key.isascii() and key.isprintable() else ""


def secrets(roles: Sequence[Role]) -> list[str]:
    """What must not be shown, whoever says it: a server may answer with the key that it got."""
    names = [*_variables(roles), "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]
    values = (os.environ.get(name, "").strip() for name in names)
    return [value for value in values if len(value) >= _SHORTEST]


def _variables(roles: Sequence[Role]) -> list[str]:
    servers = [role.runtime.openai for role in roles if "openai" in role.engines]
    return [one.key_variable for one in servers if one and one.key_variable]


def _key(variable: str) -> Finding:
    what, needed = f"key {variable}", "set, for a server"
    if read_key(variable):
        return Finding(what, "ok", "set", needed)
    found = "holds what cannot be a key" if os.environ.get(variable) else "not set"
    return Finding(what, "missing", found, needed, f"export {variable}=... with the key")
