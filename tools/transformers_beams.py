#!/usr/bin/env python3
"""Writes tests/data/transformers_beams.json: what beam search of Hugging Face transformers finds in
a model whose logits are a hash of the sequence. The same formula is in src/generate/beam/tests.rs.

Usage: python3 tools/transformers_beams.py > tests/data/transformers_beams.json
Needs: pip install torch transformers (made with 2.15.0 and 5.23.0)
"""

import json

import torch
from transformers import GenerationConfig, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

MASK = 0xFFFFFFFF
END = 0
PROMPT = [3, 1]
# Vocabulary, beams, steps, what is added to the logit of the end of text. The vocabulary is more
# than twice the beams, so that transformers never has to fill up with duplicates.
SHAPES = [(12, 2, 5, 0.5), (12, 3, 7, 1.5), (16, 5, 6, 1.0), (12, 4, 8, 2.5)]
PENALTIES = [0.0, 1.0, -0.5, 2.0]
STOPPING = [True, False, "never"]


def logits(ids, seed, vocab, end_bonus):
    h = seed
    for i in ids:
        h = (h * 31 + i + 1) & MASK
    row = []
    for i in range(vocab):
        x = ((h ^ (i * 0x9E3779B9 & MASK)) * 0x85EBCA6B) & MASK
        x = ((x ^ (x >> 13)) * 0xC2B2AE35) & MASK
        x ^= x >> 16
        row.append((x >> 20) / 1024.0 + (end_bonus if i == END else 0.0))
    return row


class Config(PretrainedConfig):
    model_type = "table"


class Table(PreTrainedModel, GenerationMixin):
    config_class = Config
    main_input_name = "input_ids"

    def __init__(self, seed, vocab, end_bonus):
        super().__init__(Config(vocab_size=vocab, num_hidden_layers=1, hidden_size=1, num_attention_heads=1))
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.formula = (seed, vocab, end_bonus)

    def prepare_inputs_for_generation(self, input_ids, **_):
        return {"input_ids": input_ids}

    def forward(self, input_ids, **_):
        rows = [logits(ids, *self.formula) for ids in input_ids.tolist()]
        return CausalLMOutput(logits=torch.tensor(rows, dtype=torch.float32)[:, None, :])


def search(seed, vocab, beams, steps, end_bonus, penalty, early):
    pad = vocab + 7
    config = GenerationConfig(
        num_beams=beams, num_return_sequences=beams, max_new_tokens=steps, do_sample=False, eos_token_id=END,
        pad_token_id=pad, length_penalty=penalty, early_stopping=early, use_cache=False,
        return_dict_in_generate=True, output_scores=True)
    out = Table(seed, vocab, end_bonus).generate(torch.tensor([PROMPT]), generation_config=config)
    rows = zip(out.sequences.tolist(), out.sequences_scores.tolist())
    return [{"ids": [i for i in ids[len(PROMPT):] if i != pad], "score": round(score, 6)} for ids, score in rows]


cases = []
for seed in range(1, 13):
    for vocab, beams, steps, end_bonus in SHAPES:
        for penalty in PENALTIES:
            for early in STOPPING:
                # One in six of all combinations, each kind with several seeds.
                if (seed + beams + int(penalty * 2) + STOPPING.index(early)) % 6:
                    continue
                cases.append({
                    "seed": seed, "vocab": vocab, "end_bonus": end_bonus, "num_beams": beams, "steps": steps,
                    "length_penalty": penalty, "early_stopping": early,
                    "beams": search(seed, vocab, beams, steps, end_bonus, penalty, early)})
print("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]")
