"""CPU for each row of a framework that asks a model, beside a bare loop of the same requests.

The model is a loopback server in a process and on a core of its own. Each contestant runs in a
process of its own with a few rows and with many; the difference over the rows between is what a row
costs, so that start-up falls out. Contestants take turns, and each is set beside the bare loop of
its own turn: what else this machine does then weighs on both.

Example: python -m benchmarks.overhead --peers --python /tmp/peers/bin/python
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import orjson

from benchmarks.measure import ROOT, cores, cost, pin, run
from stages.config.errors import BuildError

FLOOR, OURS, STAGE = "bare", "seqsmith", "seqsmith_stage"
# Contestant -> the package that it needs.
PEERS = {
    "datatrove": "datatrove",
    "datatrove_cache": "datatrove",
    "data_designer": "data_designer",
    "distilabel": "distilabel",
    "curator": "bespokelabs",
}


def main() -> None:
    options = _options()
    contestants = dict.fromkeys((FLOOR, OURS, STAGE), sys.executable)
    if options.peers:
        contestants |= find_peers(options.python or [sys.executable])
    few, many = options.rows
    found: dict[str, list[float]] = defaultdict(list)
    with serve() as url:
        for turn in range(1, options.repeats + 1):
            for name, python in list(contestants.items()):
                try:
                    found[name].append(row_cost(name, python, url, few, many))
                except BuildError as error:
                    if name not in PEERS:
                        raise
                    print(f"{name} left out: {error}", file=sys.stderr)
                    del contestants[name], found[name]
            print(f"turn {turn} of {options.repeats}", file=sys.stderr)
    print(table(found))
    ratio = median(ratios(found)[OURS])
    if options.check is not None and ratio > options.check:
        sys.exit(f"{OURS} takes {ratio:.2f}x the bare loop, over {options.check:g}x")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs=2, default=(500, 2_500), metavar=("FEW", "MANY"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peers", action="store_true", help="run the peers too")
    parser.add_argument(
        "--python", action="append", help="an interpreter that has some of the peers; repeatable"
    )
    parser.add_argument("--check", type=float, help="fail when our ratio is above this")
    options = parser.parse_args()
    for python in options.python or ():
        if not shutil.which(python):
            parser.error(f"--python {python}: no such interpreter")
    return options


def find_peers(pythons: list[str]) -> dict[str, str]:
    """The peers with the first interpreter that has each; says which no interpreter has."""
    found = {}
    for name, package in PEERS.items():
        look = f"import importlib.util as u, sys; sys.exit(u.find_spec({package!r}) is None)"
        for python in pythons:
            looked = subprocess.run([python, "-c", look], check=False)  # noqa: S603 - the user's
            if looked.returncode == 0:
                found[name] = python
                break
        else:
            print(f"{name} left out: not installed, see benchmarks/README.md", file=sys.stderr)
    return found


@contextmanager
def serve() -> Iterator[str]:
    """The address of a loopback server on a core of its own."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.loopback_llm"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout
    try:
        pin(server.pid, cores()[1])
        yield server.stdout.readline().strip()
    finally:
        server.kill()
        server.wait()


def row_cost(name: str, python: str, url: str, few: int, many: int) -> float:
    """CPU milliseconds for each row. Raises BuildError when not all rows reach the server."""
    taken = []
    for rows in (few, many):
        before = _requests(url)
        with tempfile.TemporaryDirectory() as folder:
            spent = cost(
                [python, "-m", f"benchmarks.contestants.{name}", url, str(rows)],
                Path(folder),
                {"PYTHONPATH": str(ROOT), "HOME": folder},
                core=cores()[0],
            )
        asked = _requests(url) - before
        if asked < rows:
            raise BuildError(f"{name} asked {asked:,} requests for {rows:,} rows")
        taken.append(spent.cpu)
    return (taken[1] - taken[0]) / (many - few) * 1_000


def _requests(url: str) -> int:
    with urllib.request.urlopen(f"{url.removesuffix('/v1')}/stats") as response:  # noqa: S310 - ours
        return orjson.loads(response.read())["requests"]


def ratios(found: dict[str, list[float]]) -> dict[str, list[float]]:
    """Each contestant's CPU over that of the bare loop in the same turn."""
    return {
        name: [one / floor for one, floor in zip(costs, found[FLOOR], strict=True)]
        for name, costs in found.items()
    }


def table(found: dict[str, list[float]]) -> str:
    lines = [f"{'':16} {'CPU ms/row':>10} {'min':>7} {'max':>7} {'ratio':>8} {'min':>7} {'max':>7}"]
    for name, over in ratios(found).items():
        costs = found[name]
        lines.append(
            f"{name:16} {median(costs):10.3f} {min(costs):7.3f} {max(costs):7.3f} "
            f"{median(over):7.2f}x {min(over):6.2f}x {max(over):6.2f}x"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
