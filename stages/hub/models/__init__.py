"""Releases of models: weights, tokenizer, scores, card."""
