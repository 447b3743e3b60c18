"""The bodies of the OpenAI protocol: a request's, and what each possible reply to it means."""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

import orjson

from stages.llm.request import Completion, Message, Outcome, Request

AWAY = (502, 503, 504)
"""what a proxy says for a server that is not there"""
_TRY_AGAIN = (408, 409, 425, 429)
_HOPELESS = (401, 402, 403, 404, 405)
_OUTCOMES: dict[str, Outcome] = {
    "stop": "answered",
    "length": "truncated",
    "content_filter": "rejected",
}
_KEPT_BODY = 10_000  # bytes, for audit, of what came instead of a reply
_KEPT_DETAIL = 300  # characters
_LONGEST_RETRY_AFTER = 300.0  # seconds; some servers ask for a day
_SHORTEST_SECRET = 16  # characters; a server that takes any key is given a word such as EMPTY


@dataclass(frozen=True, slots=True)
class Fault:
    """A try that came to nothing and may be made again."""

    completion: Completion
    """what is recorded if it was the last try"""
    retry_after: float = 0.0
    """seconds that the server asked for"""
    is_overload: bool = False
    """the server has too much to do"""
    is_silence: bool = False
    """it is in doubt whether the server is there at all"""


def encode(request: Request) -> bytes:
    """The body of a request. 8 kB of demonstrations take 3 us; looking them up would take 2."""
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [
            {"role": message.role, "content": _content(message)}
            for message in request.prompt.messages
        ],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": request.seed,
    }
    if sampling.top_k > 0:  # not of the protocol: hosted servers refuse it
        body["top_k"] = sampling.top_k
    if request.prompt.schema:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {
                "name": "reply",
                "strict": True,
                "schema": orjson.Fragment(request.prompt.schema),
            },
        }
    return orjson.dumps(body)


def is_hopeless(status: int, body: bytes | bytearray) -> bool:
    """Whether a response says that no request at all can succeed."""
    is_redirect = 300 <= status < 400  # followed, it would take the key to another address
    # Hosted servers say 429 for an account without credit too.
    return status in _HOPELESS or is_redirect or (status == 429 and b"insufficient_quota" in body)


class ReplyReader:
    """Reads responses. Untrusted: whatever they hold, the key that was sent does not come out."""

    def __init__(self, key: str) -> None:
        self._key = key

    def read(
        self, status: int, headers: Mapping[str, str], body: bytearray, now: float
    ) -> Completion | Fault:
        """What a response that is not hopeless means; `now` in seconds since 1970."""
        if status == 200:
            return self._read_reply(headers.get("Content-Type", ""), body)
        detail = f"HTTP {status}: {_message(self._redact(body))}"
        if 400 <= status < 500 and status not in _TRY_AGAIN:
            return self.without_answer("rejected", detail, body)
        return Fault(
            self.without_answer("failed", detail, body),
            retry_after=read_retry_after(headers.get("Retry-After", ""), now),
            is_overload=status in (429, 503),
            is_silence=status in AWAY,
        )

    def _read_reply(self, content_type: str, body: bytearray) -> Completion | Fault:
        if "json" not in content_type:
            return self.fault(f"a reply of type {content_type or 'unknown'}, not JSON", body)
        try:
            reply = orjson.loads(body)
        except orjson.JSONDecodeError:
            return self.fault("the reply is not valid JSON", body)
        try:
            choice = reply["choices"][0]
            message, finish = choice["message"], choice["finish_reason"]
            outcome = _OUTCOMES.get(finish)
            text, refusal = message.get("content"), message.get("refusal")
        except (AttributeError, LookupError, TypeError):
            return self.fault(f"HTTP 200 without a choice: {_message(self._redact(body))}", body)
        if refusal:
            return self.without_answer("rejected", f"refused: {refusal}", body)
        if outcome is None:
            return self.fault(f"generation ended with {finish!r}", body)
        text = "" if text is None else text
        if not isinstance(text, str):
            return self.fault("the content of the reply is not text", body)
        if len(self._key) >= _SHORTEST_SECRET:
            text = self.without_key(text)
        usage, fingerprint = reply.get("usage"), reply.get("system_fingerprint")
        return Completion(
            text,
            outcome,
            _count(usage, "prompt_tokens"),
            _count(usage, "completion_tokens"),
            _facts(self.without_key(fingerprint)[:100] if isinstance(fingerprint, str) else ""),
            "stopped by the server's content filter" if outcome == "rejected" else "",
        )

    def fault(
        self,
        detail: str,
        body: bytearray,
        is_overload: bool = False,
        is_silence: bool = False,
    ) -> Fault:
        """A fault that the body, as far as there is one, does not explain."""
        failed = self.without_answer("failed", detail, body)
        return Fault(failed, is_overload=is_overload, is_silence=is_silence)

    def without_answer(self, outcome: Outcome, detail: str, body: bytearray) -> Completion:
        """A completion that keeps of the body what an audit needs."""
        # The key is looked for before anything is cut: half of it is too much as well.
        text = self.without_key(self._redact(body)[:_KEPT_BODY].decode(errors="replace"))
        detail = self.without_key(" ".join(detail.split()))[:_KEPT_DETAIL]
        return Completion(text, outcome, 0, 0, _facts(""), detail)

    def without_key(self, text: str) -> str:
        return text.replace(self._key, "[key]") if self._key else text

    def _redact(self, body: bytearray) -> bytes:
        return bytes(body.replace(self._key.encode(), b"[key]") if self._key else body)


def read_retry_after(header: str, now: float) -> float:
    """Seconds to wait, 0 to 300, from a header that holds seconds or an HTTP date."""
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", header):
        seconds = float(header)
    else:
        try:
            seconds = parsedate_to_datetime(header).replace(tzinfo=UTC).timestamp() - now
        except (OverflowError, ValueError):
            return 0.0
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER)


def _content(message: Message) -> str | list[dict[str, Any]]:
    if not message.images:
        return message.content
    parts: list[dict[str, Any]] = []
    for image in message.images:
        kind = "png" if image.data.startswith(b"\x89PNG") else "jpeg"
        url = f"data:image/{kind};base64,{b64encode(image.data).decode()}"
        parts.append({"type": "image_url", "image_url": {"url": url}})
    return [*parts, {"type": "text", "text": message.content}]


def _message(body: bytes) -> str:
    """What an error body says, in `error.message`, `error`, `message` or `detail`."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body[:_KEPT_BODY].decode(errors="replace")
    for name in ("error", "message", "detail"):
        if isinstance(found, dict) and found.get(name):
            found = found[name]
    return found if isinstance(found, str) else orjson.dumps(found).decode()


def _count(usage: Any, name: str) -> int:
    """A number of tokens; 0 where the server does not say, or says what cannot be."""
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if type(count) is int and 0 <= count < 2**31 else 0


@lru_cache(maxsize=64)  # one for each configuration that the server has had
def _facts(fingerprint: str) -> str:
    facts = {"engine": "openai"}
    if fingerprint:
        facts["system_fingerprint"] = fingerprint
    return orjson.dumps(facts).decode()
