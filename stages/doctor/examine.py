"""The examination: everything that the active profile needs of this machine, in order."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from pathlib import Path

from stages.config.paths import ledger_file
from stages.config.settings import Settings
from stages.doctor import devices, environment, tools
from stages.doctor.disk import disk
from stages.doctor.finding import Finding, without
from stages.doctor.hub import hub
from stages.doctor.inputs import inputs
from stages.doctor.keys import keys, secrets
from stages.doctor.ledger_file import ledger
from stages.doctor.memory import Load, SizeOf, gpu, gpus_asked, is_heavy, loads, memory
from stages.doctor.repository import dvc_remote, git
from stages.doctor.roles import Role, roles
from stages.doctor.size import parameters

Check = Callable[[], Finding | None | Iterable[Finding]]


def examine(settings: Settings, root: Path = Path()) -> list[Finding]:
    """Every finding; no credential is in them. Nothing is downloaded, built or changed."""
    profile, asked = settings.profile, roles(settings)
    held, size_of = loads(settings, asked), cache(parameters)
    checks: list[tuple[str, Check]] = [
        ("Python", environment.python),
        ("libraries", environment.libraries),
        ("extras", partial(environment.extras, profile, asked)),
        ("devices", partial(_devices, settings, asked, held, size_of)),
        ("disk", partial(disk, settings, held, size_of, root)),
        ("servers", partial(_servers, asked)),
        ("Hub token", partial(hub, settings, held)),
        ("inputs", partial(inputs, settings)),
        ("ledger", partial(ledger, ledger_file())),
        ("Git", partial(git, profile.publish)),
        ("DVC remote", partial(dvc_remote, root)),
        ("browser", tools.browser),
    ]
    if profile.evaluation.run_code:
        checks.insert(-1, ("sandbox", tools.sandbox))
    found = [finding for what, check in checks for finding in _findings(what, check)]
    return without(found, secrets(asked))


def _findings(what: str, check: Check) -> Iterator[Finding]:
    # A machine can be broken in ways that nobody foresaw, and one broken thing must not hide the
    # other findings.
    try:
        found = check()
        yield from () if found is None else [found] if isinstance(found, Finding) else list(found)
    except Exception as error:
        yield Finding(what, "warning", f"could not be looked at ({type(error).__name__})")


def _devices(
    settings: Settings, asked: list[Role], held: list[Load], size_of: SizeOf
) -> Iterator[Finding]:
    machine, wanted = devices.machine_memory(), gpus_asked(settings, asked)
    is_small = not any(is_heavy(load, size_of) for load in held)
    on_cpu = settings.profile.runtime.device in ("cpu", "mps")
    if not wanted and (is_small or on_cpu):
        yield Finding("GPU", "ok", "not looked for", "none")
        yield from memory(held, size_of, machine, [])
        return
    try:
        gpus = devices.gpus()
    except (ImportError, OSError) as error:
        found = f"torch cannot be imported ({type(error).__name__})"
        yield Finding("GPU", "missing", found, "torch", "make env")
        return
    yield gpu(wanted, is_small, gpus)
    yield from memory(held, size_of, machine, gpus)


def _servers(asked: list[Role]) -> Iterator[Finding]:
    if not any("openai" in role.engines for role in asked):
        return
    # aiohttp takes half a second, which only those wait who name a server.
    from stages.doctor.servers import servers  # noqa: PLC0415

    yield from keys(asked)
    yield from servers(asked)
