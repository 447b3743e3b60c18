"""A process that has imported the Hub's clients and forks for each publication.

Importing `datasets` takes three seconds of two cores, and a fork nothing: with it hundreds of
publications, each in a process of its own as in life, are a test's matter of a minute. Nothing
sleeps here for longer than a hundredth of a second, so that what the clients try again costs none.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT


class Publisher:
    """The process, from outside."""

    def __init__(self, process: "subprocess.Popen[str]", home: Path) -> None:
        self.process = process
        self.home = home
        """where the clients keep what they fetched"""
        self.child = 0
        """process id of the publication under way"""

    def publish(self, root: Path, *arguments: str) -> tuple[int, str]:
        """Exit status of `python -m stages.publish`, negative after a signal, and its output."""
        assert self.process.stdin and self.process.stdout
        print(json.dumps([str(root), *arguments]), file=self.process.stdin, flush=True)
        self.child = int(self.process.stdout.readline())
        status = int(self.process.stdout.readline())
        return status, (root / "data/output.txt").read_text("utf-8")


@contextmanager
def warm_publisher(home: Path, environment: dict[str, str]) -> Iterator[Publisher]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.warm_publisher"],
        cwd=ROOT,
        env=clean | {"PYTHONPATH": str(ROOT), "HF_HOME": str(home)} | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Publisher(process, home)
        assert process.stdin
        process.stdin.close()


def _serve() -> None:
    # What a publication imports, the late imports of `datasets` too.
    import aiohttp  # noqa: F401, PLC0415
    import datasets.packaged_modules.parquet.parquet  # noqa: F401, PLC0415
    import scipy.io  # noqa: F401, PLC0415
    import scipy.sparse  # noqa: F401, PLC0415

    import stages.hub.datasets.load_back  # noqa: F401, PLC0415
    from stages.config.command import run  # noqa: PLC0415
    from stages.hub import to_hub  # noqa: PLC0415
    from stages.publish import publish  # noqa: PLC0415

    sleep = time.sleep
    time.sleep = lambda seconds: sleep(min(seconds, 0.01))
    to_hub._PATIENCE = 0.5
    for line in sys.stdin:
        root, *arguments = json.loads(line)
        child = os.fork()
        if child == 0:
            os.chdir(root)
            output = os.open("data/output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            sys.argv = ["publish", *arguments]
            status = 0
            try:
                run(publish)
            except SystemExit as error:
                status = error.code if isinstance(error.code, int) else 1
            except BaseException:
                sys.excepthook(*sys.exc_info())
                status = 70
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    _serve()
