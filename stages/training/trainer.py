"""TRL's trainer with an order of rows that survives a restart, and a cheaper loss on a CPU."""

from typing import Any, TypeGuard

import torch
from peft import PeftModel
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel
from trl import SFTTrainer

from stages.models.chat import IGNORED
from stages.training.order import InOrder

# How models change the logits of their head. TRL's own loss knows all of them.
_SCALED = (
    "final_logit_softcapping",
    "logit_scale",
    "output_multiplier",
    "lm_head_multiplier",
    "logits_scaling",
    "router_aux_loss_coef",
)


class Trainer(InOrder, SFTTrainer):
    """Rows in an order of ours."""

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """The mean over the answers' tokens of an update.

        TRL's loss never holds all logits in memory, which is what a vocabulary of 128,000 on a GPU
        needs. On a CPU it scores the tokens of prompts and padding too, computes the head again in
        the backward pass, and adds entropy and accuracy: a third of the time of a tiny model. There
        only the answers' tokens go through the head, once.
        """
        whole = model.get_base_model() if isinstance(model, PeftModel) else model
        if not self._is_plain(whole) or return_outputs or num_items_in_batch is None:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        labels = inputs.pop("labels")[:, 1:]
        learned = labels != IGNORED
        with self.accelerator.autocast():  # which the model's own forward would be wrapped in
            states = whole.base_model(**inputs, use_cache=False).last_hidden_state[:, :-1]
            logits = whole.get_output_embeddings()(states[learned]).float()
        return cross_entropy(logits, labels[learned], reduction="sum") / num_items_in_batch

    def _is_plain(self, model: torch.nn.Module) -> TypeGuard[PreTrainedModel]:
        """Whether the model is on a CPU, alone, and its logits are what its head gives."""
        if self.args.device.type != "cpu" or not isinstance(model, PreTrainedModel):
            return False
        config = model.config.get_text_config()
        return not any(getattr(config, name, None) for name in _SCALED)
