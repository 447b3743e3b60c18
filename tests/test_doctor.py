"""`seqsmith doctor`: what it says is missing, on machines that lack one thing after the other."""

import json
import os
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.config.errors import BuildError
from stages.config.load import load_settings
from stages.doctor import devices, environment, servers, tools
from stages.doctor.devices import Gpu
from stages.doctor.examine import examine
from stages.doctor.finding import Finding, without
from stages.doctor.shown import shown
from stages.doctor.size import parameters
from stages.llm.ledger import FORMAT, Ledger
from stages.quality.summary import as_text
from tests.conftest import ROOT

SECRET = "planted-token-0123456789"
Change = Callable[..., None]

LLAMA_8B = {
    "model_type": "llama", "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8,
    "intermediate_size": 14336, "num_hidden_layers": 32, "vocab_size": 128256,
    "tie_word_embeddings": False,
}  # fmt: skip
MISTRAL_7B = {**LLAMA_8B, "model_type": "mistral", "vocab_size": 32000}
QWEN_05B = {
    "model_type": "qwen2", "hidden_size": 896, "num_attention_heads": 14, "num_key_value_heads": 2,
    "intermediate_size": 4864, "num_hidden_layers": 24, "vocab_size": 151936,
    "tie_word_embeddings": True,
}  # fmt: skip


@pytest.fixture
def change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Change:
    """A clone in all that the doctor looks at; call it to change the sample profile."""
    for name in ("params.yaml", "requirements.lock", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("profiles", "base", "showcase"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "inputs").mkdir()
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("SEQSMITH_LEDGER", "HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    commands = ("init -q", "add .", "-c user.name=a -c user.email=a@b commit -qm all")
    for command in commands:
        subprocess.run(["git", *command.split()], check=True)

    def to(**sections: Any) -> None:
        path = Path("profiles/sample.yaml")
        profile = yaml.safe_load(path.read_text("utf-8"))
        for name, fields in sections.items():
            if isinstance(fields, dict):
                profile[name].update(fields)
            else:
                profile[name] = fields
        path.write_text(yaml.safe_dump(profile), "utf-8")

    return to


def look() -> dict[str, Finding]:
    """The findings by what they are about; of several about one thing the last."""
    return {finding.what: finding for finding in examine(load_settings())}


def states() -> dict[str, str]:
    return {what: finding.state for what, finding in look().items()}


def at_server(url: str, name: str = "loopback", **server: Any) -> dict[str, Any]:
    """Sections of a profile whose generator is behind a server."""
    settings = {
        "url": url, "key_variable": "", "concurrency": 1, "requests_per_minute": None,
        "timeout": 9.0, "patience": 9.0, **server,
    }  # fmt: skip
    return {
        "generator": {"name": name, "revision": "0" * 40},
        "runtime": {"engine": "openai", "openai": settings},
    }


@contextmanager
def serving(
    status: int, body: bytes, kind: str = "application/json", to: str = ""
) -> Iterator[tuple[str, list]]:
    """A server that answers everything so, and sends on to `to`; its address, and the keys that it
    was shown.
    """
    keys: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys.append(self.headers.get("Authorization"))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Location", to)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", keys
    finally:
        server.shutdown()
        server.server_close()


def listing(*names: str) -> bytes:
    return json.dumps({"object": "list", "data": [{"id": name} for name in names]}).encode()


def the_server() -> Finding:
    return next(one for what, one in look().items() if what.startswith("server "))


def test_sample_profile_on_a_sound_machine_lacks_nothing(change: Change) -> None:
    found = look()
    assert {one.state for one in found.values()} <= {"ok", "note"}
    assert found["Git"].state == "ok"
    assert found["ledger"].found == "none yet"
    assert found["GPU"].found == "not looked for"
    assert not Path("ledger").exists()


def test_sample_profile_is_looked_at_in_less_than_two_seconds_and_without_torch(
    change: Change,
) -> None:
    code = (
        "import sys\nfrom stages.config.load import load_settings\n"
        "from stages.doctor.examine import examine\nexamine(load_settings())\n"
        "print(sorted({'torch', 'transformers', 'datasets', 'dvc', 'aiohttp'} & set(sys.modules)))"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Of processor time, which other tests beside this one do not lengthen.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("version", [(3, 10, 9), (3, 11, 0), (4, 0, 0)])
def test_python_is_missing_when_it_is_too_old(
    version: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment.sys, "version_info", version)
    assert environment.python().state == ("missing" if version < (3, 11) else "ok")


def test_libraries_absent_and_of_another_version_are_told_apart(change: Change) -> None:
    lock = Path("requirements.lock")
    pins = lock.read_text("utf-8")
    lock.write_text(pins + "no-such-library==1.0\n", "utf-8")
    found = look()["libraries"]
    assert (found.state, found.found) == ("missing", "not installed: no-such-library")
    lock.write_text(pins.replace("aiohttp==", "aiohttp==0."), "utf-8")
    found = look()["libraries"]
    assert found.state == "warning"
    assert found.found.startswith("not the pinned version: aiohttp")
    lock.unlink()
    assert look()["libraries"].state == "warning"


def test_engines_that_are_not_installed_are_missing(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(
        generator={"name": "base/tiny"},
        runtime={
            "engine": "ray",
            "vllm": {"tensor_parallel": 1, "memory": 0.5, "context": None},
            "ray": {"address": "local", "replicas": 1, "inside": "vllm"},
        },
        evaluation={"alpaca_eval": None},
        audit={"parser": "en_core_nothing"},
    )
    monkeypatch.setattr(environment, "_version", lambda name: None)
    found = states()
    assert (found["vLLM"], found["Ray"], found["spaCy"]) == ("missing",) * 3
    monkeypatch.setattr(environment, "_version", {"vllm": "0.31.2", "ray": "2.60.1"}.get)
    found = states()
    assert (found["vLLM"], found["Ray"]) == ("warning", "ok")


def test_profile_without_engines_of_that_kind_is_not_asked_for_them(change: Change) -> None:
    assert not {"vLLM", "Ray", "AlpacaEval", "spaCy", "Hub token", "sandbox"} & look().keys()


@pytest.mark.parametrize(
    ("config", "size"),
    [(LLAMA_8B, 8_030_261_248), (MISTRAL_7B, 7_241_732_096), (QWEN_05B, 494_032_768)],
)
def test_size_of_a_known_model_comes_from_its_config(
    config: dict[str, Any], size: int, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    assert parameters(str(tmp_path), "") == size


def test_size_comes_from_the_weights_where_they_are() -> None:
    # Four bytes for each are nearly all of the file.
    assert parameters(str(ROOT / "base/tiny"), "") == 1_028_096


@pytest.mark.parametrize(
    "config", ["", "[]", "{}", '{"model_type": "unheard-of"}', '{"model_type": "llama"}', "\xff"]
)
def test_size_of_strange_files_is_not_known(config: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config, "utf-8")
    assert parameters(str(tmp_path), "") is None
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 64)
    assert parameters(str(tmp_path), "") is None


def test_size_of_a_model_in_the_cache_of_the_hub_is_found(tmp_path: Path) -> None:
    commit = "1" * 40
    folder = tmp_path / "models--owner--name/snapshots" / commit
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(QWEN_05B), "utf-8")
    code = f"from stages.doctor.size import parameters; print(parameters('owner/name', '{commit}'))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "HF_HUB_CACHE": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "494032768"


@pytest.mark.parametrize(
    ("recipe", "machine", "cards", "state"),
    [
        ({}, 300e9, [], "ok"),
        ({}, 128e9, [], "missing"),  # 8.03e9 x 16 = 128.5 GB, and the libraries
        ({}, 500e9, [80_000_000_000], "missing"),
        ({}, 8e9, [80_000_000_000] * 2, "ok"),
        ({"lora": {"rank": 8, "alpha": 8, "dropout": 0.0, "targets": ["q_proj"]}}, 40e9, [], "ok"),
    ],
)
def test_memory_of_a_full_fine_tune_is_sixteen_bytes_for_each_parameter(
    recipe: dict[str, Any], machine: float, cards: list[int], state: str,
    change: Change, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    Path("base/large").mkdir()
    Path("base/large/config.json").write_text(json.dumps(LLAMA_8B), "utf-8")
    change(training={"base": "base/large", **recipe})
    profile = yaml.safe_load(Path("profiles/sample.yaml").read_text("utf-8"))
    change(trainings=dict.fromkeys(("coi", "singles"), profile["training"]))
    monkeypatch.setattr(devices, "machine_memory", lambda: int(machine))
    monkeypatch.setattr(devices, "gpus", lambda: [Gpu("H100", one) for one in cards])
    found = look()
    assert found["memory, training"].state == state
    assert "8.0 billion parameters" in found["memory, training"].needed
    assert found["GPU"].state == ("ok" if cards else "warning")


def test_base_that_is_not_here_is_not_known_yet_or_missing(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "gpus", list)
    change(training={"base": "owner/name", "revision": "0" * 40})
    found = [one for one in examine(load_settings()) if one.what == "memory, training"]
    assert [one.state for one in found] == ["warning", "ok"]
    assert "not known yet" in found[0].needed
    assert "hf download owner/name config.json --revision 000" in found[0].todo
    change(training={"base": "base/gone", "revision": ""})
    found = [one for one in examine(load_settings()) if one.what == "memory, training"]
    assert found[0].state == "missing"


def test_gpus_that_vllm_spreads_a_model_over_are_missing(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(
        runtime={
            "evaluation_engine": "vllm",
            "vllm": {"tensor_parallel": 4, "memory": 0.9, "context": None},
        }
    )
    monkeypatch.setattr(devices, "gpus", lambda: [Gpu("H100", 80_000_000_000)] * 2)
    found = look()["GPU"]
    assert (found.state, found.found, found.needed) == ("missing", "2: H100", "4")
    monkeypatch.setattr(devices, "gpus", lambda: [Gpu("H100", 80_000_000_000)] * 4)
    assert look()["GPU"].state == "ok"


def test_torch_that_cannot_be_imported_is_missing(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(runtime={"device": "cuda"})
    monkeypatch.setitem(sys.modules, "torch", None)
    found = look()["GPU"]
    assert (found.state, found.todo) == ("missing", "make env")


def test_disk_that_is_too_full_is_missing(change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage("."))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12 - 10**8, 10**8))
    found = look()["disk"]
    assert (found.state, found.found) == ("missing", "100 MB free")


def test_server_that_serves_the_model_is_fine_and_gets_the_key(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCTOR_KEY", SECRET)
    with serving(200, listing("other", "loopback")) as (url, keys):
        change(**at_server(url, key_variable="DOCTOR_KEY"))
        found = look()
    assert found["key DOCTOR_KEY"].state == "ok"
    assert the(found, "server").found == "serves loopback"
    assert keys == [f"Bearer {SECRET}"]


def the(found: dict[str, Finding], kind: str) -> Finding:
    return next(one for what, one in found.items() if what.startswith(kind))


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (200, listing("a", "b", "c", "d"), "application/json", "serves a, b, c and 1 more"),
        (200, listing(), "application/json", "serves nothing"),
        (200, b"<html>Welcome</html>", "text/html", "answers, but with no list of models"),
        (200, b"[" * 100_000, "application/json", "answers, but with no list of models"),
        (200, b'{"data": [1]}', "application/json", "answers, but with no list of models"),
        (200, b"\xff\xfe", "application/json", "answers, but with no list of models"),
        (401, b"", "text/plain", "refuses the key (401)"),
        (302, b"", "text/plain", "answers with 302"),
        (500, b"", "text/plain", "answers with 500"),
    ],
)
def test_server_that_does_not_serve_the_model_is_missing(
    status: int, body: bytes, kind: str, says: str, change: Change
) -> None:
    with serving(status, body, kind) as (url, _):
        change(**at_server(url))
        found = the_server()
    assert (found.state, found.found) == ("missing", says)
    assert found.todo


def test_model_that_is_only_scored_is_looked_for_at_its_server(change: Change) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
    params["references"] = {"hosted": ["world"]}
    Path("params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    with serving(200, listing("other")) as (url, _):
        server = at_server(url)["runtime"]["openai"]
        change(
            references={"hosted": {"name": "hosted-model", "revision": ""}},
            runtime={"engines": {"hosted": "openai", "showcase": "replay"}, "openai": server},
        )
        found = the_server()
    assert (found.state, found.needed) == ("missing", "hosted-model")


def test_server_that_sends_on_gets_no_key_to_where_it_sends(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCTOR_KEY", SECRET)
    with (
        serving(200, listing("loopback")) as (other, keys),
        serving(302, b"", to=f"{other}/models") as (url, _),
    ):
        change(**at_server(url, key_variable="DOCTOR_KEY"))
        assert the_server().found == "answers with 302"
    assert keys == []


def test_server_that_hangs_or_is_not_there_is_missing(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "SECONDS", 0.3)
    with socket.socket() as silent:  # it takes the connection, and says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        change(**at_server(f"http://127.0.0.1:{port}/v1"))
        start = time.monotonic()
        assert the_server().found == "no answer within 0.3 s"
        assert time.monotonic() - start < 10
    found = the_server()
    assert found.state == "missing"
    assert found.found.startswith("cannot be reached")
    change(**at_server("http://127.0.0.1:99999/v1"))
    assert the_server().state == "missing"


@pytest.mark.parametrize("value", [None, "", "  ", "caf\u00e9-key-0123", "two\nlines-0123"])
def test_key_that_is_none_is_missing(
    value: str | None, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCTOR_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("DOCTOR_KEY", value)
    with serving(200, listing("loopback")) as (url, _):
        change(**at_server(url, key_variable="DOCTOR_KEY"))
        assert states()["key DOCTOR_KEY"] == "missing"


def test_no_credential_is_shown_whoever_says_it(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCTOR_KEY", SECRET)
    monkeypatch.setenv("HF_TOKEN", f"hf_{SECRET}")
    other = "token-in-an-address-42"
    Path(".dvc/config").write_text(
        f"[core]\n    remote = shelf\n['remote \"shelf\"']\n"
        f"    url = https://user:{other}@example.org/{other}\n    password = {other}\n",
        "utf-8",
    )
    subprocess.run(["git", "remote", "add", "origin", f"https://{other}@example.org/x"], check=True)
    # A server that says the key back in the names of its models.
    with serving(200, listing(f"model {SECRET}", f"Bearer hf_{SECRET}")) as (url, _):
        address = url.replace("/v1", f"/{other}/v1?key={other}")
        change(
            **at_server(address, key_variable="DOCTOR_KEY"),
            publish={"target": "hub", "namespace": "me"},
        )
        findings = examine(load_settings())
    text = as_text(shown("sample", findings)) + repr(findings)
    assert SECRET not in text
    assert other not in text
    assert "serves model ..." in text
    assert {one.what: one.state for one in findings}["Hub token"] == "ok"


def test_secret_that_is_part_of_another_leaves_nothing_of_that() -> None:
    said = Finding("a", "ok", f"hf_{SECRET}, {SECRET}")
    assert without([said], [SECRET, f"hf_{SECRET}"]) == [Finding("a", "ok", "..., ...")]


def test_token_of_the_hub_is_missing_only_for_publishing(change: Change) -> None:
    change(publish={"target": "hub", "namespace": "me"})
    assert states()["Hub token"] == "missing"
    commit = "12567cabf869d7c92e573c7c783905fc160e9639"
    hub = {"origin": "hub", "repo": "o/n", "revision": commit, "shape": "alpaca", "rows": 1}
    source = {**hub, "licence": "mit", "language": "en"}
    change(publish={"target": "folder"}, sources={"alpaca": source})
    assert states()["Hub token"] == "warning"


def test_file_that_a_source_comes_from_is_missing(change: Change) -> None:
    Path("showcase/showcase.jsonl").unlink()
    assert states()["input showcase"] == "missing"


def test_ledger_that_cannot_be_read_or_written_is_told(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path.cwd() / "ledger/ledger.sqlite"
    path.mkdir(parents=True)
    assert states()["ledger"] == "missing"
    path.rmdir()
    path.write_bytes(b"no database " * 1000)
    found = look()["ledger"]
    assert found.state == "warning" and "not a database" in found.found
    path.unlink()
    with Ledger(path):
        pass
    assert look()["ledger"].found.endswith("sound")
    with monkeypatch.context() as without_rights:
        without_rights.setattr(os, "access", lambda path, mode: False)
        assert states()["ledger"] == "missing"
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {FORMAT + 1}")
    assert f"format {FORMAT}" in look()["ledger"].needed
    monkeypatch.setenv("SEQSMITH_LEDGER", "params.yaml/ledger.sqlite")
    assert states()["ledger"] == "missing"


def test_ledger_that_is_damaged_inside_is_told(change: Change) -> None:
    path = Path("ledger/ledger.sqlite")
    path.parent.mkdir()
    with Ledger(path):
        pass
    with sqlite3.connect(path) as db:
        db.executemany(
            "INSERT INTO replies VALUES (?, 'answered', ?, ?, ?)",
            ((n.to_bytes(32, "big"), b"r" * 500, b"c" * 32, b"q" * 500) for n in range(200)),
        )
    db.close()
    content = bytearray(path.read_bytes())
    content[8192:12288] = os.urandom(4096)
    path.write_bytes(content)
    assert states()["ledger"] == "warning"


def test_git_that_is_not_clean_is_missing_only_for_the_hub(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("new").touch()
    assert states()["Git"] == "note"
    change(publish={"target": "hub", "namespace": "me"})
    assert states()["Git"] == "missing"
    shutil.rmtree(".git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(Path.cwd().parent))
    assert states()["Git"] == "missing"
    monkeypatch.setenv("PATH", "")
    found = look()["Git"]
    assert (found.state, found.found) == ("missing", "there is no git")


def test_remote_of_dvc_is_named_by_its_kind(change: Change) -> None:
    config = Path(".dvc/config")
    assert states()["DVC remote"] == "note"
    config.write_text("[core]\n    remote = a\n['remote \"a\"']\n    url = ../a\n", "utf-8")
    assert look()["DVC remote"].found == "a: folder"
    local = "[core]\n    remote = b\n['remote \"b\"']\n    url = s3://bucket/b\n"
    Path(".dvc/config.local").write_text(local, "utf-8")
    found = look()["DVC remote"]
    assert (found.state, found.found) == ("warning", "b: s3")
    assert found.todo == "pip install dvc-s3"
    config.write_text("remote = a", "utf-8")
    assert states()["DVC remote"] == "warning"
    shutil.rmtree(".dvc")
    assert states()["DVC"] == "missing"


def test_sandbox_is_looked_at_where_code_is_run(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> tuple[str, ...]:
        raise BuildError("bwrap was not found")

    change(evaluation={"run_code": True})
    monkeypatch.setattr(tools.bubblewrap, "command", none)
    found = look()["sandbox"]
    assert (found.state, found.todo) == ("missing", "bwrap was not found")


def test_browser_that_is_not_there_is_only_a_note(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools.shutil, "which", lambda name: None)
    assert states()["browser"] == "note"


def test_check_that_breaks_hides_no_other(change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> int:
        raise RuntimeError(SECRET)

    before = look().keys()
    monkeypatch.setattr(devices, "machine_memory", broken)
    found = look()
    assert found["devices"].state == "warning"
    assert found["devices"].found == "could not be looked at (RuntimeError)"
    assert before - found.keys() == {"GPU", "memory, training"}


def test_profile_with_a_mistake_says_so_in_the_words_of_the_settings(change: Change) -> None:
    change(runtime={"engine": "word"})
    with pytest.raises(BuildError, match="'runtime.engine': found 'word'"):
        look()


def test_what_is_shown_says_what_to_do(change: Change) -> None:
    change(publish={"target": "hub", "namespace": "me"})
    findings = examine(load_settings())
    text = as_text(shown("sample", findings))
    assert text.startswith("profile sample: 2 missing")  # the tree is not clean either
    assert "MISSING   Hub token" in text
    assert "hf auth login" in text
