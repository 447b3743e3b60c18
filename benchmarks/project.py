"""A project in a folder of its own, and its stages run one by one as DVC runs them."""

import re
import shutil
import sys
from pathlib import Path

import yaml

from benchmarks.measure import ROOT, Cost, cost

BUILD = ("fetch alpaca", "sequence alpaca-1", "sequence alpaca-2", "respond alpaca-sit")
"""the stages from the source to a finished dataset, in order"""


class Project:
    """The sample profile in `folder`, over a file of rows or over `rows` rows of the world."""

    def __init__(self, folder: Path, rows: int | None, file: Path | None = None) -> None:
        self.folder = folder
        self.data = folder / "data" / "sample"
        shutil.copy(ROOT / "params.yaml", folder)
        shutil.copytree(ROOT / "profiles", folder / "profiles")
        (folder / "base").symlink_to(ROOT / "base")
        (folder / "inputs").mkdir()
        if file:
            shutil.copy(file, folder / "inputs" / f"alpaca{file.suffix}")
        self.set("sources", "alpaca", "rows", rows)

    def set(self, *path_and_value: object) -> None:
        """Change one setting of the profile: `set("runtime", "engine", "replay")`."""
        *path, name, value = path_and_value
        file = self.folder / "profiles" / "sample.yaml"
        profile = section = yaml.safe_load(file.read_text("utf-8"))
        for key in path:
            section = section[key]
        section[name] = value
        file.write_text(yaml.safe_dump(profile), "utf-8")

    def run(self, stage: str) -> Cost:
        """Run a stage such as `respond alpaca-sit`. Raises BuildError when it fails."""
        verb, name = stage.split()
        ledger = str(self.folder / "ledger.sqlite")
        environment = {"PYTHONPATH": str(ROOT), "SEQSMITH_LEDGER": ledger}
        return cost([sys.executable, "-m", f"stages.{verb}", name], self.folder, environment)


def asked(said: str) -> int:
    """The requests that a stage put to the model, from its closing line; 0 where it has none."""
    found = re.search(r"([\d,]+) requests asked", said)
    return int(found[1].replace(",", "")) if found else 0
