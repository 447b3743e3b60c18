"""The benchmarks of training run, and print what they compare."""

import pytest
import torch

from tests.test_benchmarks import line, run


@pytest.mark.pipeline
def test_training_benchmark_prints_the_ratio_to_plain_trl() -> None:
    printed = run("training", "--steps", "3", "--repeats", "1", "--rows", "100")
    for unit in ("by the clock", "of CPU time"):
        *_, plain, ours, ratio, least, most = line(printed, unit).split()
        assert float(ratio) == float(least) == float(most)
        rates = [float(rate.replace(",", "")) for rate in (plain, ours)]
        assert rates[1] / rates[0] == pytest.approx(float(ratio), rel=0.02)


@pytest.mark.pipeline
def test_gpu_benchmark_runs_a_tiny_model_packed_and_not() -> None:
    printed = run("training_gpu", "--tiny", "--steps", "20", "--length", "256")
    for name in ("not packed", "packed"):
        found = line(printed, name).removeprefix(name).split()
        assert float(found[0].replace(",", "")) > 0


@pytest.mark.pipeline
@pytest.mark.skipif(torch.cuda.is_available(), reason="says that there is no GPU")
def test_gpu_benchmark_without_a_gpu_says_so() -> None:
    assert "there is no CUDA device" in run("training_gpu")
