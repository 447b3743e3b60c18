"""What an engine needs of a tokenizer: the template that turns a chat into the model's prompt."""

from transformers import PreTrainedTokenizerBase

from stages.config.errors import BuildError


def need_chat_template(tokenizer: PreTrainedTokenizerBase, source: str) -> None:
    """Raise BuildError unless the tokenizer of the model `source` has a chat template."""
    if tokenizer.chat_template is None:
        raise BuildError(
            f"{source}: the tokenizer has no chat template, so there is no telling how a question "
            "is put to the model. Take an instruction-tuned model, or fine-tune this one: "
            "`python -m stages.train` saves the template with the model."
        )
