"""datatrove with checkpoints, which bring its cache of requests."""

from functools import partial

from benchmarks.contestants import run
from benchmarks.contestants.datatrove import ask

if __name__ == "__main__":
    run(partial(ask, checkpoints_local_dir="checkpoints", records_per_chunk=500))
