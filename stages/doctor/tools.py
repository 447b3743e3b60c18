"""Programs beside Python: the sandbox for code of models, and a browser for the tests of pages."""

import shutil

from stages.config.errors import BuildError
from stages.doctor.finding import Finding
from stages.scoring.sandbox import bubblewrap
from stages.scoring.sandbox.check import Program, check_programs

_BROWSERS = ("chromium", "google-chrome")
_TRIVIAL = Program(
    code="def one():\n    return 1\n",
    entry_point="one",
    test="def check(candidate):\n    assert candidate() == 1\n",
)


def sandbox() -> Finding:
    """Whether a program runs in the sandbox and gets at nothing outside it: one is tried."""
    needed = "bubblewrap, since evaluation.run_code is on"
    try:
        bubblewrap.command()
        (verdict,) = check_programs([_TRIVIAL])
    except BuildError as error:
        return Finding("sandbox", "missing", "cannot be had", needed, str(error))
    if not verdict.passed:
        found = f"a trivial program: {verdict.outcome}, {verdict.detail}"
        return Finding("sandbox", "missing", found, needed, "docs/sandbox.md")
    return Finding("sandbox", "ok", "a program ran in it", needed)


def browser() -> Finding:
    """Whether the tests of pages can run."""
    needed = "for `make test-browser` alone"
    found = next((name for name in _BROWSERS if shutil.which(name)), "")
    if found:
        return Finding("browser", "ok", found, needed)
    return Finding("browser", "note", "none", needed, "apt-get install chromium")
