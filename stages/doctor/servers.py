"""Servers of the OpenAI protocol: whether they answer, and serve the model that is asked."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import aiohttp
from yarl import URL

from stages.doctor.finding import Finding
from stages.doctor.keys import read_key
from stages.doctor.roles import Role

SECONDS = 3.0
"""for a server to list its models"""
_LONGEST = 1 << 20  # bytes of the list
_SHOWN = 3  # models in a line
_DOCS = "docs/engines.md"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said to GET /models."""

    models: list[str] | None
    """None where it gave no list"""
    said: str = ""
    """what it did instead"""
    refused: bool = False
    """whether the key was refused"""


def servers(roles: Sequence[Role]) -> list[Finding]:
    """A line for each server that the profile names and each model that is asked there."""
    asked = dict.fromkeys(
        (role.runtime.openai.url, role.runtime.openai.key_variable, role.model)
        for role in roles
        if "openai" in role.engines and role.runtime.openai
    )
    answers = asyncio.run(_ask_all(dict.fromkeys((url, variable) for url, variable, _ in asked)))
    return [_judge(url, variable, model, answers[url, variable]) for url, variable, model in asked]


async def _ask_all(asked: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Answer]:
    places = list(asked)
    answers = await asyncio.gather(*(_ask(url, read_key(name)) for url, name in places))
    return dict(zip(places, answers, strict=True))


async def _ask(url: str, key: str) -> Answer:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.get(f"{url.rstrip('/')}/models", allow_redirects=False) as response,
        ):
            status = response.status
            if status in (401, 403):
                return Answer(None, f"refuses the key ({status})", refused=True)
            if status != 200:
                return Answer(None, f"answers with {status}")
            return _read(await response.content.read(_LONGEST))
    except TimeoutError:
        return Answer(None, f"no answer within {SECONDS:g} s")
    # ValueError: an address that is none.
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Answer(None, f"cannot be reached ({type(error).__name__})")


def _read(body: bytes) -> Answer:
    try:
        return Answer([_plain(str(one["id"])) for one in json.loads(body)["data"]])
    except (ValueError, KeyError, TypeError, RecursionError):
        return Answer(None, "answers, but with no list of models")


def _plain(name: str) -> str:
    """Text of a stranger, fit for a terminal."""
    return "".join(letter for letter in name if letter.isprintable())[:100]


def _judge(url: str, variable: str, model: str, answer: Answer) -> Finding:
    what, needed = f"server {origin(url)}", model or "the models that the build trains"
    if answer.models is None:
        todo = f"Start it, or set its url in the profile: {_DOCS}"
        if answer.refused:
            todo = f"Put its key into {variable}" if variable else f"Name its key_variable: {_DOCS}"
        return Finding(what, "missing", answer.said, needed, todo)
    more = f" and {len(answer.models) - _SHOWN} more" if len(answer.models) > _SHOWN else ""
    found = f"serves {', '.join(answer.models[:_SHOWN]) or 'nothing'}{more}"
    if not model or model in answer.models:
        return Finding(what, "ok", f"serves {model}" if model else found, needed)
    todo = f"Serve it there under this name (--served-model-name): {_DOCS}"
    return Finding(what, "missing", found, needed, todo)


def origin(url: str) -> str:
    """Host and port: the rest of an address may hold a credential."""
    try:
        parsed = URL(url)
        port = "" if parsed.is_default_port() or not parsed.port else f":{parsed.port}"
        return f"{parsed.host or ''}{port}"
    except ValueError:
        return "without an address"
