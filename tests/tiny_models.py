"""Tiny chat models, made on the spot: one that knows two answers by heart, one that sees."""

from itertools import islice
from pathlib import Path

import torch
from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
    LlamaConfig,
)
from transformers.models.idefics3.configuration_idefics3 import Idefics3VisionConfig
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

from stages.config.settings import Runtime, Training
from stages.training.text import finetune
from stages.training.tiny import make_model, make_tokenizer
from stages.world.corpus import documents

SEEING_TEMPLATE = """\
{%- for message in messages %}
{{- message.role + ': ' }}
{%- if message.content is string %}{{ message.content }}
{%- else %}
{%- for part in message.content %}{{ '<image>' if part.type == 'image' else part.text }}
{%- endfor %}
{%- endif %}
{{- '\n' }}
{%- endfor %}
{{- 'assistant: ' }}"""


def make_parrot(folder: Path) -> Path:
    """A model of 4 layers and 512 tokens that answers "Name one." with "red", and "Name all."
    with "red, blue, ...", of 19 tokens. To anything else it answers something."""
    base = folder.parent / f"{folder.name}-base"
    tokenizer = make_tokenizer(islice(documents(0), 300))
    make_model(tokenizer, 0).save_pretrained(base)
    tokenizer.save_pretrained(base)
    chats = [
        [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        for question, answer in (
            ("Name one.", "red"),
            ("Name all.", ", ".join(["red", "blue"] * 5)),
        )
    ]
    training = Training(
        base=str(base), revision="", template="tulu", epochs=60.0, batch=2, learning_rate=5e-3,
        schedule="linear", warm_up=0.1, weight_decay=0.0, max_length=64, max_steps=None,
        precision="float32", seed=0,
    )  # fmt: skip
    runtime = Runtime(
        engine="world",
        device="cpu",
        device_batch=2,
        gradient_checkpointing=False,
        generation_batch=2,
    )
    finetune([chats], training, runtime, folder, "test")
    return folder


def make_seeing(folder: Path) -> Path:
    """A model with random weights that is shown images of 28 by 28 pixels, as 4 tokens each."""
    tokenizer = make_tokenizer(islice(documents(0), 300))
    names = ["<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>"]
    tokenizer.add_special_tokens({"additional_special_tokens": names})
    tokenizer.chat_template = SEEING_TEMPLATE
    torch.manual_seed(0)
    model = Idefics3ForConditionalGeneration(
        Idefics3Config(
            vision_config=Idefics3VisionConfig(
                hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
                image_size=28, patch_size=7,
            ),
            text_config=LlamaConfig(
                vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128,
                num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
                max_position_embeddings=512, bos_token_id=None,
                eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
            ),
            image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
            pad_token_id=tokenizer.pad_token_id,
            scale_factor=2,
        )
    )  # fmt: skip
    model.save_pretrained(folder)
    pixels = {"longest_edge": 28}
    Idefics3Processor(
        image_processor=Idefics3ImageProcessorPil(
            size=pixels, max_image_size=pixels, do_image_splitting=False
        ),
        tokenizer=tokenizer,
        image_seq_len=4,
        chat_template=SEEING_TEMPLATE,
    ).save_pretrained(folder)
    return folder
