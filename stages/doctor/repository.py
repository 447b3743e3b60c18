"""The repository: whether Git's tree is clean, and where DVC would push the data."""

import os
import re
import subprocess
from configparser import ConfigParser, Error
from importlib import metadata
from pathlib import Path

from stages.config.settings import Publish
from stages.doctor.finding import Finding

_SECONDS = 5.0
_DOCS = "docs/dvc.md"
_PLUGINS = ("azure", "gdrive", "gs", "hdfs", "oss", "s3", "ssh", "webdav", "webdavs", "webhdfs")
"""schemes for which DVC needs a package of its own, dvc-SCHEME but for the two below"""
_PACKAGES = {"webdavs": "dvc-webdav", "webhdfs": "dvc-hdfs"}


def git(publish: Publish) -> Finding:
    """Whether all is committed, without which nothing goes to the Hub."""
    needed = "all committed" if publish.target == "hub" else "all committed, to publish on the Hub"
    # What publishing would refuse.
    state = "missing" if publish.target == "hub" else "note"
    try:
        done = subprocess.run(
            ["git", "status", "--porcelain"],  # noqa: S607 - Git is where the user has it
            capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        return Finding(
            "Git", "missing", "there is no git", needed, "Install git; DVC needs it too."
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("Git", "warning", f"does not answer ({type(error).__name__})", needed)
    if done.returncode:
        todo = "Build in a clone of the repository: DVC and provenance rest on Git."
        return Finding("Git", "missing", "this is no working tree of Git", needed, todo)
    changes = len(done.stdout.splitlines())
    if not changes:
        return Finding("Git", "ok", "all committed", needed)
    todo = "Commit, dvc.lock included" if state == "missing" else ""
    return Finding("Git", state, f"{changes:,} change(s) not committed", needed, todo)  # type: ignore[arg-type]


def dvc_remote(root: Path) -> Finding:
    """Whether DVC has a default remote, and can speak to its kind; it is not asked."""
    needed = "one, to share data"
    if not (root / ".dvc").is_dir():
        todo = "Build in a clone of the repository."
        return Finding("DVC", "missing", "there is no folder .dvc", "a DVC repository", todo)
    config, broken = _config(root)
    if broken:
        todo = "Mend it: dvc config --list"
        return Finding("DVC remote", "warning", f"{broken} cannot be read", needed, todo)
    name = config.get("core", "remote", fallback="")
    if not name:
        todo = f"dvc remote add --default NAME URL: {_DOCS}"
        return Finding("DVC remote", "note", "none", needed, todo)
    url = config.get(f"'remote \"{name}\"'", "url", fallback="")
    scheme = match[1] if (match := re.match(r"(\w+)://", url)) else "folder"
    package = _PACKAGES.get(scheme, f"dvc-{scheme}")
    if scheme in _PLUGINS and not _is_installed(package):
        todo = f"pip install {package}"
        return Finding("DVC remote", "warning", f"{name}: {scheme}", f"the package {package}", todo)
    # Of the address no more: it may hold a credential.
    return Finding("DVC remote", "ok", f"{name}: {scheme}", needed)


def _config(root: Path) -> tuple[ConfigParser, str]:
    """DVC's settings, the more special ones last; the file that cannot be read, if there is one.

    Read as files: to ask DVC itself takes a second.
    """
    config = ConfigParser(interpolation=None, strict=False)
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    for file in (home / "dvc/config", root / ".dvc/config", root / ".dvc/config.local"):
        try:
            if file.is_file():
                # DVC indents what stands in a section, which here would go on with the line before.
                lines = file.read_text(encoding="utf-8").splitlines()
                config.read_string("\n".join(line.strip() for line in lines))
        except (OSError, UnicodeDecodeError, Error):
            return config, file.name
    return config, ""


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True
