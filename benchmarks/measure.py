"""Runs a command and tells what it cost."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.config.errors import BuildError

ROOT = Path(__file__).parent.parent
_PEAK_UNIT = 1 if sys.platform == "darwin" else 1_024  # bytes; getrusage's unit of memory


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took, with all of its children that it waited for."""

    seconds: float
    """by the clock"""
    cpu: float
    """seconds, user and system"""
    peak: int
    """bytes: the largest resident set of any one of its processes, and no less than this one's own,
    which the system counts until the command has taken its place"""
    said: str
    """what it printed, on both streams"""


def cost(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    core: int | None = None,
) -> Cost:
    """Run `command` in `folder`, on one core if that is given. Raises BuildError when it fails."""
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - commands of the benchmarks
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdout=output,
            stderr=output,
        )
        pin(process.pid, core)
        try:
            usage, status = _wait(process)
        except BaseException:
            process.kill()
            raise
        seconds = time.perf_counter() - began
        output.seek(0)
        said = output.read().decode(errors="replace")
    if status:
        raise BuildError(f"{' '.join(command)} ended with {status}:\n{said[-2_000:]}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _PEAK_UNIT, said)


def _wait(process: subprocess.Popen[bytes]) -> tuple[resource.struct_rusage, int]:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage, process.returncode


def cores() -> tuple[int | None, int | None]:
    """A core for what is measured and one for its server; the same where there is only one."""
    if not hasattr(os, "sched_setaffinity"):
        return None, None
    free = sorted(os.sched_getaffinity(0))
    return free[0], free[-1]


def run(main: Callable[[], None]) -> None:
    """Call `main`; exit 1 with a sentence where something that it runs fails."""
    try:
        main()
    except BuildError as error:
        sys.exit(f"error: {error}")


def pin(process: int, core: int | None) -> None:
    """Keep a process that has just begun, and all that it starts, on one core."""
    if core is not None:
        os.sched_setaffinity(process, {core})
