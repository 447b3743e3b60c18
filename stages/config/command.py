"""Runs a stage from the command line: one name, one job, errors as sentences."""

import gc
import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import TypeVar

from stages.config.errors import BuildError

T = TypeVar("T")


def run(stage: Callable[[str], None]) -> None:
    """Call `stage(NAME)` with the one argument of the command line; exit 1 with a sentence."""
    module = sys.modules["__main__"]
    verb = module.__spec__.name if module.__spec__ else stage.__module__
    usage = f"Usage: python -m {verb} NAME\n\n{module.__doc__}"
    arguments = sys.argv[1:]
    if arguments in (["--help"], ["-h"]):
        print(usage)
        return
    if len(arguments) != 1:
        print(usage, file=sys.stderr)
        sys.exit(2)
    collect_seldom()
    try:
        stage(arguments[0])
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; what was asked is in the ledger, run again to go on", file=sys.stderr)
        sys.exit(130)


def collect_seldom() -> None:
    """Let Python look for cycles after 100,000 new objects instead of 700.

    Rows and requests hold none, and looking for some took a fifth of a stage's time.
    """
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


def pick(kind: str, name: str, known: Mapping[str, T]) -> T:
    """The entry `name` of a section of the settings. Raises BuildError with the nearest name."""
    if name in known:
        return known[name]
    close = get_close_matches(name, known, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    raise BuildError(f"No {kind} is called '{name}'.{hint} Known: {', '.join(sorted(known))}.")
