"""A server of the OpenAI protocol on 127.0.0.1 that fails on demand; for tests and benchmarks.

`python -m tests.loopback_llm --port 0` prints its address and serves until it is interrupted;
GET /stats tells what it was asked. In a test, `with LoopbackLLM() as server` serves from a thread.
A message that ends a request and holds `[[fault:NAME]]` meets that fault each time, one that holds
`[[fault:NAME:2]]` the first two times; the names are in `_FAULTS`, or an HTTP status.
"""

import argparse
import asyncio
import gzip
import hashlib
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any

import orjson

_JSON = "application/json"
_REASONS = {200: "OK", 404: "Not Found", 429: "Too Many Requests"}


def marker(message: str, tries: int) -> str:
    """The rule by which a request names its own fault."""
    found = re.search(r"\[\[fault:([a-z0-9-]+)(?::([0-9]+))?\]\]", message)
    return found[1] if found and (found[2] is None or tries <= int(found[2])) else ""


def digest(request: dict[str, Any]) -> str:
    """A reply that differs for any two different requests."""
    encoded = orjson.dumps(request, option=orjson.OPT_SORT_KEYS)
    return f"reply {hashlib.sha256(encoded).hexdigest()[:16]}"


class LoopbackLLM:
    """The server and what a test looks at or changes, also while it runs.

    Counts are of chat completions alone: what arrived, whatever became of it.
    """

    def __init__(
        self,
        reply: Callable[[dict[str, Any]], str] = digest,
        rule: Callable[[str, int], str] = marker,
        port: int = 0,
    ) -> None:
        self.reply = reply
        self.rule = rule
        """from the last message, and how often this very body has come, to a fault or nothing"""
        self.latency = 0.0
        """seconds before each reply"""
        self.fixed: bytes | None = None
        """a reply to everything, sent at once and unread: the cheapest that a server can be"""
        self.key = ""
        """what requests must be authorised with; empty: nothing"""
        self.retry_after = "1"
        """the header of faults that end in -after"""
        self.outage = 0.3
        """seconds that the fault `refused` lasts"""
        self.proxy = 0
        """a status that everything is answered with, as by a proxy whose server is away"""
        self.models: list[str] | None = ["loopback"]
        """None: who asks for them never hears"""
        self.requests = 0
        self.connections = 0
        self.probes = 0
        """times that the models were listed"""
        self.under_way = 0
        self.peak = 0
        """most under way at once"""
        self.bodies: list[bytes] | None = None
        """the bodies asked, in order, where a test puts a list here"""
        self.arrivals: list[float] = []
        """when each request came, in seconds of the monotonic clock"""
        self.times: Counter[bytes] = Counter()
        """digest of a body -> how often it came"""
        self._outages: list[asyncio.Task[None]] = []
        self._open: set[_Connection] = set()
        self._listener: asyncio.Server | None = None
        self._socket = _bind(port)
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> "LoopbackLLM":
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.revive()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._socket.close()

    async def serve(self) -> None:
        """Say where, and serve in the running loop until cancelled."""
        self._loop = asyncio.get_running_loop()
        await self.listen()
        print(self.url, flush=True)
        await self._loop.create_future()

    def die(self) -> None:
        """Reset all connections and refuse new ones, until `revive`; from any other thread."""
        self._run(self._stop())

    def revive(self) -> None:
        """Listen, on the same port as before."""
        self._run(self.listen())

    @property
    def is_listening(self) -> bool:
        return self._listener is not None

    def stats(self) -> dict[str, int]:
        return {
            "requests": self.requests,
            "distinct": len(self.times),
            "connections": self.connections,
            "peak": self.peak,
            "probes": self.probes,
        }

    async def listen(self) -> None:
        self._listener = await self._loop.create_server(
            lambda: _Connection(self), sock=self._socket, backlog=1024
        )

    def stop(self) -> None:
        if self._listener is None:
            return
        self._listener.close()
        self._listener = None
        # Bound, so that nobody else gets the port, and not listening.
        self._socket = _bind(self.port)
        for connection in list(self._open):
            connection.reset()

    def pause(self) -> None:
        """Die, and be back after `outage`; from within the loop."""
        if not self.is_listening:
            return
        self.stop()
        self._outages.append(self._loop.create_task(self._return()))

    async def _return(self) -> None:
        await asyncio.sleep(self.outage)
        await self.listen()

    async def _stop(self) -> None:
        self.stop()

    async def _end(self) -> None:
        self.stop()
        for outage in self._outages:
            outage.cancel()
        await asyncio.gather(*self._outages, return_exceptions=True)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


def _bind(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


class _Connection(asyncio.Protocol):
    """HTTP/1.1 as far as these clients use it: one request at a time, of known length."""

    def __init__(self, server: LoopbackLLM) -> None:
        self.server = server
        self.closes = False
        self.authorization = ""
        self.request: dict[str, Any] = {}
        self.question = ""
        self._received = bytearray()
        self._asking = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if not self.server.is_listening:  # accepted in the instant in which the server died
            self.reset()
            return
        self.server.connections += 1
        self.server._open.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.server._open.discard(self)
        self.server.under_way -= self._asking
        self._asking = 0

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end])
            found = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
            length = int(found[1]) if found else 0
            if len(self._received) < end + 4 + length:
                return
            body = bytes(self._received[end + 4 : end + 4 + length])
            del self._received[: end + 4 + length]
            self._serve(head, body)

    def _serve(self, head: bytes, body: bytes) -> None:
        server = self.server
        self.closes = re.search(rb"\r\nconnection: *close", head, re.IGNORECASE) is not None
        method, path = head.split(b" ", 2)[:2]
        wanted = (method, path)
        if wanted == (b"GET", b"/v1/models"):
            server.probes += 1
        if wanted == (b"POST", b"/v1/chat/completions"):
            server.requests += 1
            server.under_way += 1
            self._asking = 1
            server.peak = max(server.peak, server.under_way)
        if server.proxy:
            self.send(b"<html>Bad gateway</html>", server.proxy, kind="text/html")
        elif self._asking and server.fixed is not None:
            self.send(server.fixed)
        elif self._asking:
            self._answer(head, body)
        elif wanted == (b"GET", b"/v1/models"):
            if server.models is not None:
                listed = [{"id": name, "object": "model"} for name in server.models]
                self.send(orjson.dumps({"object": "list", "data": listed}))
        elif wanted == (b"GET", b"/stats"):
            self.send(orjson.dumps(server.stats()))
        else:
            self.send(b'{"error": {"message": "no such route"}}', 404)

    def _answer(self, head: bytes, body: bytes) -> None:
        server = self.server
        server.arrivals.append(time.monotonic())
        if server.bodies is not None:
            server.bodies.append(body)
        name = hashlib.sha256(body).digest()
        server.times[name] += 1
        found = re.search(rb"\r\nauthorization: *([^\r]*)", head, re.IGNORECASE)
        self.authorization = found[1].decode() if found else ""
        self.request = orjson.loads(body)
        content = self.request["messages"][-1]["content"]
        self.question = content if isinstance(content, str) else content[-1]["text"]
        if server.key and self.authorization != f"Bearer {server.key}":
            fault = "401"
        else:
            fault = server.rule(self.question, server.times[name])
        act = _FAULTS[fault] if fault in _FAULTS else lambda it: it.refuse(fault)
        if server.latency:
            asyncio.get_running_loop().call_later(server.latency, act, self)
        else:
            act(self)

    def send(
        self, body: bytes, status: int = 200, kind: str = _JSON, headers: str = "", cut: int = 0
    ) -> None:
        """A response; its last `cut` bytes are announced and never sent."""
        if self.transport.is_closing():
            return
        self.server.under_way -= self._asking
        self._asking = 0
        head = (
            f"HTTP/1.1 {status} {_REASONS.get(status, 'Fault')}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\n{headers}\r\n"
        )
        self.transport.write(head.encode() + body[: len(body) - cut])
        if self.closes:
            self.transport.close()

    def refuse(self, fault: str) -> None:
        """An HTTP status; like some real servers, this one repeats the credentials it was sent."""
        status, _, after = fault.partition("-")
        message = f"fault {status} for {self.authorization or 'nobody'}"
        headers = f"Retry-After: {self.server.retry_after}\r\n" if after else ""
        if status.startswith("3"):
            headers += f"Location: {self.server.url}/elsewhere\r\n"
        self.send(orjson.dumps({"error": {"message": message}}), int(status), headers=headers)

    def complete(self, content: str | None, finish: str = "stop", **message: Any) -> None:
        self.send(self.completion(content, finish, **message))

    def completion(self, content: str | None, finish: str = "stop", **message: Any) -> bytes:
        words = len(self.question.split())
        return orjson.dumps(
            {
                "id": "chatcmpl-loopback",
                "object": "chat.completion",
                "created": 0,
                "model": self.request["model"],
                "system_fingerprint": "loopback-1",
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": content, **message},
                        "finish_reason": finish,
                    }
                ],
                "usage": {
                    "prompt_tokens": words,
                    "completion_tokens": len((content or "").split()),
                    "total_tokens": words + len((content or "").split()),
                },
            }
        )

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        linger = struct.pack("ii", 1, 0)
        self.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, linger
        )
        self.transport.abort()

    def reset_in_body(self) -> None:
        self.send(self.completion("cut off"), cut=20)
        asyncio.get_running_loop().call_later(0.01, self.reset)

    def refuse_connections(self) -> None:
        self.server.pause()


_FAULTS: dict[str, Callable[[_Connection], None]] = {
    "": lambda it: it.complete(it.server.reply(it.request)),
    "refused": _Connection.refuse_connections,
    "reset": _Connection.reset,
    "reset-body": _Connection.reset_in_body,
    "hang": lambda it: None,
    "hang-body": lambda it: it.send(it.completion("never whole"), cut=20),
    "truncated": lambda it: it.send(it.completion("cut off")[:-20]),
    "not-json": lambda it: it.send(b"Bad gateway"),
    "error-200": lambda it: it.send(
        orjson.dumps({"error": {"message": f"engine dead for {it.authorization}", "code": 500}})
    ),
    "no-choices": lambda it: it.send(it.completion("").replace(b'"choices":[', b'"other":[')),
    "empty-choices": lambda it: it.send(b'{"choices": []}'),
    "html": lambda it: it.send(it.completion("fine"), kind="text/html"),
    "gzip": lambda it: it.send(
        gzip.compress(it.completion("small"), mtime=0), headers="Content-Encoding: gzip\r\n"
    ),
    "utf8": lambda it: it.send(it.completion("caf#").replace(b"caf#", b"caf\xe9")),
    "surrogate": lambda it: it.send(it.completion("half#").replace(b"half#", rb"half\ud83d")),
    "10mb": lambda it: it.complete("0123456789" * 1_000_000),
    "40mb": lambda it: it.complete("0123456789" * 4_000_000),
    "echo": lambda it: it.complete(it.question),
    "tell-key": lambda it: it.complete(f"You sent {it.authorization}."),
    "null": lambda it: it.complete(None),
    "length": lambda it: it.complete("as far as", "length"),
    "filter": lambda it: it.complete("so f", "content_filter"),
    "refusal": lambda it: it.complete(None, refusal="I cannot help with that."),
    "abort": lambda it: it.complete("as far as", "abort"),
    "list-finish": lambda it: it.send(it.completion("x").replace(b'"stop"', b'["stop"]')),
    "parts": lambda it: it.send(it.completion("x").replace(b'"content":"x"', b'"content":["x"]')),
    "no-usage": lambda it: it.send(it.completion("x").replace(b'"usage":{', b'"usage":null,"_":{')),
    "spent": lambda it: it.send(b'{"error": {"code": "insufficient_quota"}}', 429),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each reply")
    parser.add_argument("--fixed", help="this text in reply to everything, at no cost")
    options = parser.parse_args()
    server = LoopbackLLM(port=options.port)
    server.latency = options.latency
    if options.fixed is not None:
        server.fixed = fixed_reply(options.fixed)
    with suppress(KeyboardInterrupt):
        asyncio.run(server.serve())


def fixed_reply(text: str) -> bytes:
    """The body of a completion that says `text`."""
    message = {"role": "assistant", "content": text}
    return orjson.dumps(
        {
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": len(text.split())},
        }
    )


if __name__ == "__main__":
    main()
