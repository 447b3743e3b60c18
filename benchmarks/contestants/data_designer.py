"""NeMo Data Designer: one text column over a seed data set."""

import os

import pandas as pd
from data_designer.config import (
    ChatCompletionInferenceParams,
    DataDesignerConfigBuilder,
    LLMTextColumnConfig,
    LocalFileSeedSource,
    ModelConfig,
    ModelProvider,
    RunConfig,
)
from data_designer.interface import DataDesigner

from benchmarks.contestants import IN_FLIGHT, MODEL, SAMPLING, question, run


def ask(url: str, rows: int) -> int:
    os.environ["NEMO_TELEMETRY_ENABLED"] = "false"
    pd.DataFrame({"question": map(question, range(rows))}).to_parquet("seed.parquet")
    model = ModelConfig(
        alias="model",
        model=MODEL,
        provider="loopback",
        skip_health_check=True,
        inference_parameters=ChatCompletionInferenceParams(
            **SAMPLING, max_parallel_requests=IN_FLIGHT
        ),
    )
    provider = ModelProvider(name="loopback", endpoint=url, provider_type="openai", api_key="none")
    columns = DataDesignerConfigBuilder(model_configs=[model])
    columns.with_seed_dataset(LocalFileSeedSource(path="seed.parquet"))
    columns.add_column(
        LLMTextColumnConfig(name="answer", prompt="{{ question }}", model_alias="model")
    )
    designer = DataDesigner(artifact_path="artifacts", model_providers=[provider])
    designer.set_run_config(RunConfig(buffer_size=1_000))
    made = designer.create(columns, num_records=rows).load_dataset()
    return int(made["answer"].notna().sum())


if __name__ == "__main__":
    run(ask)
