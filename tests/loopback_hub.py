"""A stand-in for the Hugging Face Hub on 127.0.0.1: the real clients work against it.

Standard library only. Clients need HF_ENDPOINT set to `url`, and HF_HUB_DISABLE_XET=1.
"""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from tests.conftest import ROOT

# Before anything is done, when it is done and nobody hears of it, or in the middle of the answer.
Cut = Literal["unheard", "unanswered", "halfway"]

_LFS_SUFFIXES = (".parquet", ".safetensors", ".arrow", ".bin")
_ATTRIBUTES = b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"

_COUNTING = threading.Lock()

T = TypeVar("T")


@dataclass
class Commit:
    oid: str
    parent: str
    message: str
    files: dict[str, bytes]


@dataclass
class Repo:
    private: bool
    commits: dict[str, Commit] = field(default_factory=dict)
    main: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    def commit(self, message: str, files: dict[str, bytes]) -> Commit:
        parts = [f"{name} {hashlib.sha1(data).hexdigest()}" for name, data in sorted(files.items())]
        oid = hashlib.sha1("\n".join([self.main, message, *parts]).encode()).hexdigest()
        self.commits[oid] = Commit(oid, self.main, message, files)
        self.main = oid
        return self.commits[oid]

    def at(self, revision: str) -> Commit | None:
        oid = self.main if revision == "main" else self.tags.get(revision, revision)
        return self.commits.get(oid)


@dataclass
class Hub:
    """The state of the stand-in, for a test to look at and to break."""

    token: str
    namespace: str
    url: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    """`datasets/namespace/name` or `models/namespace/name` -> repository"""
    large: dict[str, bytes] = field(default_factory=dict)
    """SHA-256 -> content, as uploaded through LFS"""
    requests: list[str] = field(default_factory=list)
    """`METHOD /path`, in order; never with credentials"""
    damaged: set[str] = field(default_factory=set)
    """paths that are served with one byte changed"""
    refused: dict[str, int] = field(default_factory=dict)
    """pattern of `METHOD /path` -> status to answer with"""
    cut: dict[str, Cut] = field(default_factory=dict)
    """pattern of `METHOD /path` -> where the connection ends"""
    meanwhile: dict[str, Callable[[], object]] = field(default_factory=dict)
    """pattern of `METHOD /path` -> what happens before it is looked at"""
    spared: int = 0
    """calls that match a pattern of the three above, and go well before others meet it"""


class Refused(Exception):
    def __init__(self, status: int, message: str, code: str = "") -> None:
        self.status, self.message, self.code = status, message, code


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client: Any) -> None:
        """Say what went wrong, unless it is that a client has gone."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client)


@contextmanager
def loopback_hub(token: str, namespace: str) -> Iterator[Hub]:
    """Serve a Hub that accepts `token` for writing to `namespace`."""
    hub = Hub(token, namespace)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def _full(id: str) -> str:
    """`models/namespace/name` for what outside of the API is called `namespace/name`."""
    return id if id.count("/") == 2 else f"models/{id}"


def _git_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _is_large(path: str) -> bool:
    return path.endswith(_LFS_SUFFIXES)


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms behind its headers

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        self.query = parse_qs(parts.query)
        path = unquote(parts.path)
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        wanted = f"{self.command} {path}"
        self.hub.requests.append(wanted)
        self.cut = self._meet(self.hub.cut, wanted)
        try:
            if act := self._meet(self.hub.meanwhile, wanted):
                act()
            if self.cut == "unheard":
                self.close_connection = True
                return
            if status := self._meet(self.hub.refused, wanted):
                # Like some real servers, this one repeats the credentials it was sent.
                sent = self.headers.get("Authorization", "nobody")
                # As the Hub does, which does not tell whether there is a repository.
                code = "RepoNotFound" if status == 401 else ""
                raise Refused(status, f"refused by the test for {sent}", code)
            for pattern, answer in _ROUTES:
                if found := re.fullmatch(pattern, wanted):
                    answer(self, *found.groups())
                    return
            raise Refused(404, f"no such route: {wanted}")
        except Refused as refusal:
            headers = {"X-Error-Message": refusal.message}
            if refusal.code:
                headers["X-Error-Code"] = refusal.code
            self._send(json.dumps({"error": refusal.message}).encode(), refusal.status, headers)

    def _meet(self, faults: dict[str, T], wanted: str) -> T | None:
        """The fault that this call meets."""
        fault = next((one for pattern, one in faults.items() if re.search(pattern, wanted)), None)
        with _COUNTING:
            if fault is not None and self.hub.spared > 0:
                self.hub.spared -= 1
                return None
        return fault

    def _send(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        if self.cut:
            self.close_connection = True
        if self.cut == "unanswered":
            return
        self.send_response(status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))} | (
            headers or {}
        )
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if self.cut == "halfway" else body)

    def _json(self, value: Any, status: int = 200) -> None:
        self._send(json.dumps(value).encode(), status)

    def _is_known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.hub.token}"

    def _must_write(self, namespace: str) -> None:
        if not self._is_known():
            raise Refused(401, "Invalid credentials in Authorization header")
        if namespace != self.hub.namespace:
            raise Refused(403, f"You have no right to write to {namespace}")

    def _repo(self, id: str) -> Repo:
        repo = self.hub.repos.get(id)
        if repo is None or (repo.private and not self._is_known()):
            raise Refused(404 if self._is_known() else 401, "Repository not found", "RepoNotFound")
        return repo

    def _commit(self, id: str, revision: str) -> Commit:
        commit = self._repo(id).at(revision)
        if commit is None:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit

    def whoami(self) -> None:
        if not self._is_known():
            raise Refused(401, "Invalid credentials in Authorization header")
        self._json({"type": "user", "name": self.hub.namespace, "orgs": []})

    def create_repo(self) -> None:
        asked = json.loads(self.body)
        namespace = asked.get("organization") or self.hub.namespace
        self._must_write(namespace)
        id = f"{asked.get('type', 'model')}s/{namespace}/{asked['name']}"
        url = f"{self.hub.url}/{id}"
        if id in self.hub.repos:
            self._json({"url": url, "error": "You already created this repo"}, 409)
            return
        repo = Repo(private=asked.get("private") is True or asked.get("visibility") == "private")
        repo.commit("initial commit", {".gitattributes": _ATTRIBUTES})
        self.hub.repos[id] = repo
        self._json({"url": url})

    def validate_yaml(self) -> None:
        found = re.match(r"---\n.*?\n---\n", json.loads(self.body)["content"], re.DOTALL)
        errors = [] if found else [{"message": "there is no YAML header"}]
        self._json({"errors": errors, "warnings": []})

    def preupload(self, id: str, revision: str) -> None:
        self._must_write(id.split("/")[1])
        there = self._commit(id, revision).files
        self._json(
            {
                "files": [
                    {
                        "path": path,
                        "uploadMode": "lfs" if _is_large(path) else "regular",
                        "shouldIgnore": False,
                        "oid": self._oid(path, there[path]) if path in there else None,
                    }
                    for path in (file["path"] for file in json.loads(self.body)["files"])
                ]
            }
        )

    @staticmethod
    def _oid(path: str, data: bytes) -> str:
        return _sha256(data) if _is_large(path) else _git_oid(data)

    def lfs_batch(self, id: str) -> None:
        id = _full(id)
        self._must_write(id.split("/")[1])
        objects = []
        for wanted in json.loads(self.body)["objects"]:
            oid = wanted["oid"]
            upload = {"upload": {"href": f"{self.hub.url}/lfs/{oid}"}}
            known = {} if oid in self.hub.large else {"actions": upload}
            objects.append({"oid": oid, "size": wanted["size"], **known})
        self._json({"transfer": "basic", "objects": objects})

    def lfs_put(self, oid: str) -> None:
        if _sha256(self.body) != oid:
            raise Refused(400, "content and oid differ")
        self.hub.large[oid] = self.body
        self._send(b"")

    def commit(self, id: str, revision: str) -> None:
        self._must_write(id.split("/")[1])
        repo = self._repo(id)
        files = dict(self._commit(id, revision).files)
        summary = ""
        for line in map(json.loads, self.body.splitlines()):
            kind, value = line["key"], line["value"]
            if kind == "header":
                summary = value["summary"]
                if value.get("parentCommit") not in (None, repo.main):
                    raise Refused(412, "A commit has happened since. Please refresh and try again.")
            elif kind == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif kind == "lfsFile":
                if value["oid"] not in self.hub.large:
                    raise Refused(400, f"{value['path']} was not uploaded")
                files[value["path"]] = self.hub.large[value["oid"]]
            elif kind == "deletedFile":
                del files[value["path"]]
            else:
                raise Refused(400, f"unknown operation {kind}")
        commit = repo.commit(summary, files)
        self._json(
            {
                "success": True,
                "commitOid": commit.oid,
                "commitUrl": f"{self.hub.url}/{id}/commit/{commit.oid}",
            }
        )

    def tag(self, id: str, revision: str) -> None:
        self._must_write(id.split("/")[1])
        name = json.loads(self.body)["tag"]
        if name in self._repo(id).tags:
            raise Refused(409, f"Tag {name} exists")
        self._repo(id).tags[name] = self._commit(id, revision).oid
        self._send(b"")

    def refs(self, id: str) -> None:
        repo = self._repo(id)
        tags = [
            {"name": name, "ref": f"refs/tags/{name}", "targetCommit": oid}
            for name, oid in repo.tags.items()
        ]
        main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repo.main}
        self._json({"branches": [main], "converts": [], "tags": tags})

    def info(self, id: str, revision: str | None) -> None:
        commit = self._commit(id, revision or "main")
        self._json(
            {
                "id": id.partition("/")[2],
                "sha": commit.oid,
                "private": self._repo(id).private,
                "tags": [],
                "siblings": [{"rfilename": path} for path in sorted(commit.files)],
            }
        )

    def _entry(self, path: str, data: bytes) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "type": "file",
            "path": path,
            "size": len(data),
            "oid": _git_oid(data),
        }
        if _is_large(path):
            entry["lfs"] = {"oid": _sha256(data), "size": len(data), "pointerSize": 130}
        return entry

    def tree(self, id: str, revision: str, folder: str | None) -> None:
        files = self._commit(id, revision).files
        prefix = f"{folder.strip('/')}/" if folder else ""
        inside = {path: data for path, data in sorted(files.items()) if path.startswith(prefix)}
        if prefix and not inside:
            raise Refused(404, f"{folder} does not exist", "EntryNotFound")
        deep = self.query.get("recursive", ["false"])[0].lower() in ("true", "1")
        entries, folders = [], set()
        for path, data in inside.items():
            below = path.removeprefix(prefix).split("/")
            folders.update(prefix + "/".join(below[:depth]) for depth in range(1, len(below)))
            if deep or len(below) == 1:
                entries.append(self._entry(path, data))
        shown = {name for name in folders if deep or "/" not in name.removeprefix(prefix)}
        entries += [
            {"type": "directory", "path": name, "size": 0, "oid": _git_oid(name.encode())}
            for name in sorted(shown)
        ]
        self._json(entries)

    def paths_info(self, id: str, revision: str) -> None:
        files = self._commit(id, revision).files
        if self.headers.get("Content-Type", "").startswith("application/json"):
            paths = json.loads(self.body)["paths"]
        else:
            paths = parse_qs(self.body.decode()).get("paths", [])
        paths = [paths] if isinstance(paths, str) else paths
        entries = []
        for path in paths:
            if path in files:
                entries.append(self._entry(path, files[path]))
            elif any(name.startswith(f"{path}/") for name in files):
                oid = _git_oid(path.encode())
                entries.append({"type": "directory", "path": path, "size": 0, "oid": oid})
        self._json(entries)

    def resolve(self, id: str, revision: str, path: str) -> None:
        commit = self._commit(_full(id), revision)
        if path not in commit.files:
            headers = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit.oid}
            self._send(b"", 404, headers)
            return
        data = commit.files[path]
        headers = {
            "Content-Type": "application/octet-stream",
            "ETag": f'"{self._oid(path, data)}"',
            "X-Repo-Commit": commit.oid,
            "Accept-Ranges": "bytes",
        }
        if path in self.hub.damaged:
            data = bytes([data[0] ^ 1]) + data[1:]
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted is None:
            self._send(data, 200, headers)
            return
        first, last = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        self._send(data[first : last + 1], 206, headers)


_ID = r"((?:datasets|models)/[^/]+/[^/]+)"
_BARE = r"((?:datasets/)?[^/]+/[^/]+)"  # outside of the API a model is its name alone
_ROUTES: list[tuple[str, Callable[..., None]]] = [
    (r"GET /api/whoami-v2", _Handler.whoami),
    (r"POST /api/repos/create", _Handler.create_repo),
    (r"POST /api/validate-yaml", _Handler.validate_yaml),
    (rf"POST /api/{_ID}/preupload/(.+)", _Handler.preupload),
    (rf"POST /api/{_ID}/commit/(.+)", _Handler.commit),
    (rf"POST /api/{_ID}/tag/(.+)", _Handler.tag),
    (rf"POST /api/{_ID}/paths-info/(.+)", _Handler.paths_info),
    (rf"GET /api/{_ID}/refs", _Handler.refs),
    (rf"GET /api/{_ID}(?:/revision/(.+))?", _Handler.info),
    (rf"GET /api/{_ID}/tree/([^/]+)(/.*)?", _Handler.tree),
    (rf"POST /{_BARE}\.git/info/lfs/objects/batch", _Handler.lfs_batch),
    (r"PUT /lfs/([0-9a-f]{64})", _Handler.lfs_put),
    (rf"(?:GET|HEAD) /{_BARE}/resolve/([^/]+)/(.+)", _Handler.resolve),
]


def environment_of(hub: Hub, root: Path, token: str, **more: str) -> dict[str, str]:
    """The environment of a program in `root` whose clients know this Hub alone."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
        "PYTHONPATH": str(ROOT),
        "HF_ENDPOINT": hub.url,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(root / "home"),
        "HF_TOKEN": token,
        **more,
    }


def run_against(hub: Hub, root: Path, token: str, *arguments: str, **more: str) -> tuple[int, str]:
    """The exit status and all output of Python in `root`; the token is nowhere in it."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env=environment_of(hub, root, token, **more),
        capture_output=True,
        text=True,
    )
    output = done.stdout + done.stderr
    assert token not in output
    assert "Traceback" not in output
    written = [path for path in root.rglob("*") if path.is_file()]
    assert [path for path in written if token.encode() in path.read_bytes()] == []
    return done.returncode, output
