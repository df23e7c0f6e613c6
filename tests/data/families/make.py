"""Writes the tiny random models that tests/library/families.rs reads, and what Hugging Face's code
computes with them: python make.py FOLDER. Needs torch and transformers (5.x).

Every size differs from every other where the architecture allows it, and every parameter differs from
its default, so that whatever is left out or mixed up shows.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, CONFIG_MAPPING

VOCABULARY = 70
COMMON = dict(vocab_size=VOCABULARY, bos_token_id=0, eos_token_id=1, pad_token_id=1)
OLD = dict(COMMON, n_layer=2, n_embd=24, n_head=4, n_positions=64)
NEW = dict(COMMON, num_hidden_layers=2, hidden_size=24, num_attention_heads=4, intermediate_size=52,
           max_position_embeddings=64)
GROUPED = dict(NEW, num_key_value_heads=2)

MODELS = {
    "gpt2": ("gpt2", dict(OLD, n_inner=52)),
    "gpt2_by_layer": ("gpt2", dict(OLD, scale_attn_by_inverse_layer_idx=True,
                                   reorder_and_upcast_attn=True)),
    "gpt_bigcode": ("gpt_bigcode", OLD),
    "gpt_bigcode_heads": ("gpt_bigcode", dict(OLD, multi_query=False)),
    "gptj": ("gptj", dict(OLD, rotary_dim=4)),
    "codegen": ("codegen", dict(OLD, rotary_dim=4)),
    "gpt_neox": ("gpt_neox", dict(NEW, rotary_pct=0.34)),
    "gpt_neox_sequential": ("gpt_neox", dict(
        NEW, use_parallel_residual=False, hidden_act="gelu_fast", rotary_pct=1.0)),
    "xglm": ("xglm", dict(COMMON, num_layers=2, d_model=24, attention_heads=4, ffn_dim=52,
                          max_position_embeddings=64)),
    "opt": ("opt", dict(COMMON, num_hidden_layers=2, hidden_size=24, num_attention_heads=4, ffn_dim=52,
                        max_position_embeddings=64, word_embed_proj_dim=24)),
    "llama": ("llama", GROUPED),
    "llama_linear_bias": ("llama", dict(
        GROUPED, attention_bias=True, mlp_bias=True, head_dim=10,
        rope_parameters=dict(rope_type="linear", factor=2.5, rope_theta=500.0))),
    "llama3": ("llama", dict(GROUPED, rope_parameters=dict(
        rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=32, rope_theta=500.0))),
    "mistral_window": ("mistral", dict(GROUPED, head_dim=8, sliding_window=7)),
    "qwen2": ("qwen2", dict(GROUPED, tie_word_embeddings=True)),
    "qwen2_window": ("qwen2", dict(GROUPED, use_sliding_window=True, sliding_window=9,
                                   max_window_layers=1)),
    "qwen3": ("qwen3", dict(GROUPED, head_dim=10)),
    "starcoder2_window": ("starcoder2", dict(GROUPED, sliding_window=11)),
    "glm": ("glm", dict(GROUPED, head_dim=8, attention_bias=True)),
    "stablelm": ("stablelm", dict(NEW, num_key_value_heads=4, use_qkv_bias=True,
                                  partial_rotary_factor=0.34)),
    "stablelm_parallel": ("stablelm", dict(NEW, num_key_value_heads=4, use_parallel_residual=True,
                                           partial_rotary_factor=0.7)),
    "phi": ("phi", dict(NEW, partial_rotary_factor=0.7)),
    "granite": ("granite", dict(GROUPED, embedding_multiplier=3.0, attention_multiplier=0.3,
                                residual_multiplier=0.4, logits_scaling=6.0)),
}


def make(folder, model_type, options):
    torch.manual_seed(sum(map(ord, folder.name)))
    config = CONFIG_MAPPING[model_type](**options)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn_like(parameter)
            is_scale = "norm" in name.rsplit(".", 2)[-2] or ".ln_" in name
            if parameter.dim() == 1 and is_scale and name.endswith("weight"):
                parameter.copy_(1 + 0.2 * noise)
            elif parameter.dim() == 1:
                parameter.copy_(0.2 * noise)
            else:
                parameter.copy_(0.25 * noise)
    shutil.rmtree(folder, ignore_errors=True)
    model.to(torch.float16).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    # As users load it: weights widened, and nothing else rounded.
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = torch.arange(33) * 29 % VOCABULARY
    with torch.no_grad():
        logits = model(ids[None]).logits[0]
        text = ids[:5]
        for _ in range(24):
            text = torch.cat([text, model(text[None]).logits[0, -1].argmax()[None]])
    save_file({"ids": ids.int(), "logits": logits.contiguous(), "greedy": text.int()},
              folder / "expected.safetensors")


if __name__ == "__main__":
    root = Path(sys.argv[1])
    chosen = sys.argv[2:] or MODELS
    for name in chosen:
        make(root / name, *MODELS[name])
        size = sum(path.stat().st_size for path in (root / name).iterdir())
        print(name, size, "bytes", json.loads((root / name / "config.json").read_text())["model_type"])
