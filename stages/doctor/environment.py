"""The environment: Python, the libraries of the build, and those that only some profiles need."""

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from stages.config.settings import Profile
from stages.doctor.finding import Finding
from stages.doctor.roles import Role

OLDEST_PYTHON = (3, 11)
_LOCK = Path("requirements.lock")
_PIN = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
_SHOWN = 3  # names in a line


def python() -> Finding:
    """Whether this Python is new enough."""
    found = ".".join(map(str, sys.version_info[:3]))
    needed = ".".join(map(str, OLDEST_PYTHON)) + " or later"
    if sys.version_info[:2] >= OLDEST_PYTHON:
        return Finding("Python", "ok", found, needed)
    todo = "Install one, remove .venv, and name it: make env PYTHON=python3.12"
    return Finding("Python", "missing", found, needed, todo)


def libraries() -> Finding:
    """Whether the pinned libraries are installed, at their versions; torch is pinned elsewhere."""
    if not _LOCK.is_file():
        found = f"there is no {_LOCK} to compare with"
        return Finding("libraries", "warning", found, "the pinned ones", "Run from a checkout.")
    pins = dict(_PIN.findall(_LOCK.read_text(encoding="utf-8", errors="replace")))
    there = {name: _version(name) for name in [*pins, "torch"]}
    absent = [name for name, version in there.items() if version is None]
    other = [f"{name} {there[name]}" for name in pins if there[name] not in (None, pins[name])]
    needed, todo = f"the {len(pins)} of {_LOCK}, and torch", "make env"
    if absent:
        return Finding("libraries", "missing", f"not installed: {_few(absent)}", needed, todo)
    if other:
        found = f"not the pinned version: {_few(other)}"
        return Finding("libraries", "warning", found, needed, todo)
    return Finding("libraries", "ok", "all at their versions", needed)


def _few(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def extras(profile: Profile, roles: list[Role]) -> Iterator[Finding]:
    """What the engines and settings of the profile need beyond the pinned libraries."""
    engines = {engine for role in roles for engine in role.engines}
    away = {role.is_on_ray for role in roles if "vllm" in role.engines} == {True}
    if "vllm" in engines:
        where = ", on every machine of the cluster" if away else ""
        todo = 'pip install "seqsmith[cuda]" in an environment of its own: docs/engines.md'
        yield _extra("vLLM", "vllm", f"0.32{where}", "0.32.", todo)
    if "ray" in engines:
        todo = 'pip install "seqsmith[ray]", on every machine: docs/engines.md'
        yield _extra("Ray", "ray", "2.60, on every machine of the cluster", "2.60.", todo)
    if profile.evaluation.alpaca_eval:
        todo = 'pip install "seqsmith[alpaca-eval]", or set evaluation.alpaca_eval: null'
        yield _extra("AlpacaEval", "alpaca_eval", "0.6.6", "0.6.6", todo)
    parser = profile.audit.parser
    if parser != "word-lists":
        todo = f"pip install spacy && python -m spacy download {parser}"
        state = find_spec("spacy") and find_spec(parser)
        found = "installed" if state else "not installed"
        yield Finding("spaCy", "ok" if state else "missing", found, parser, "" if state else todo)


def _extra(what: str, name: str, needed: str, begins: str, todo: str) -> Finding:
    found = _version(name)
    if found is None:
        return Finding(what, "missing", "not installed", needed, todo)
    if not found.startswith(begins):
        return Finding(what, "warning", found, needed, todo)
    return Finding(what, "ok", found, needed)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
