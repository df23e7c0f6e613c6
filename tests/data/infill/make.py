"""Writes the tiny random model that the tests of the C ABI and of the bindings fill in the middle with:
python make.py. StarCoder's architecture and control tokens, and a vocabulary of the 256 bytes. Needs
nothing beside Python.
"""

import json
import random
import struct
from pathlib import Path

FOLDER = Path(__file__).parent
CONTROLS = ["<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<filename>",
            "<reponame>"]
VOCABULARY, WIDTH, HEADS, LAYERS, CONTEXT = 256 + len(CONTROLS), 16, 4, 2, 256


def byte_names():
    """The character for each byte, as in every byte-level vocabulary."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (byte for byte in range(256) if byte not in shown)
    names = {byte: chr(byte) for byte in shown}
    names.update({byte: chr(256 + n) for n, byte in enumerate(others)})
    return [names[byte] for byte in range(256)]


def tokenizer():
    names = CONTROLS + byte_names()
    flags = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
    return dict(
        version="1.0", truncation=None, padding=None,
        added_tokens=[dict(id=id, content=name, **flags) for id, name in enumerate(CONTROLS)],
        normalizer=None,
        pre_tokenizer=dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True),
        post_processor=None,
        decoder=dict(type="ByteLevel", add_prefix_space=True, trim_offsets=True, use_regex=True),
        model=dict(type="BPE", dropout=None, unk_token=None, continuing_subword_prefix=None,
                   end_of_word_suffix=None, fuse_unk=False, byte_fallback=False,
                   vocab={name: id for id, name in enumerate(names)}, merges=[]))


CONFIG = dict(
    architectures=["GPTBigCodeForCausalLM"], model_type="gpt_bigcode", activation_function="gelu_pytorch_tanh",
    bos_token_id=0, eos_token_id=0, layer_norm_epsilon=1e-5, multi_query=True, n_embd=WIDTH, n_head=HEADS,
    n_inner=None, n_layer=LAYERS, n_positions=CONTEXT, scale_attn_weights=True, tie_word_embeddings=True,
    vocab_size=VOCABULARY)


def shapes():
    yield "transformer.wte.weight", (VOCABULARY, WIDTH)
    yield "transformer.wpe.weight", (CONTEXT, WIDTH)
    for layer in range(LAYERS):
        for name, out, into in [("attn.c_attn", WIDTH + 2 * WIDTH // HEADS, WIDTH),
                                ("attn.c_proj", WIDTH, WIDTH),
                                ("mlp.c_fc", 4 * WIDTH, WIDTH), ("mlp.c_proj", WIDTH, 4 * WIDTH)]:
            yield f"transformer.h.{layer}.{name}.weight", (out, into)
            yield f"transformer.h.{layer}.{name}.bias", (out,)
        for name in ["ln_1", "ln_2"]:
            yield f"transformer.h.{layer}.{name}.weight", (WIDTH,)
            yield f"transformer.h.{layer}.{name}.bias", (WIDTH,)
    yield "transformer.ln_f.weight", (WIDTH,)
    yield "transformer.ln_f.bias", (WIDTH,)


def model():
    """Normal numbers in half precision; layer norms scale by about 1."""
    numbers, header, data = random.Random(14), {}, b""
    for name, shape in shapes():
        count = shape[0] * (shape[1] if len(shape) == 2 else 1)
        mean = 1.0 if ".ln_" in name and name.endswith("weight") else 0.0
        values = [mean + 0.25 * numbers.gauss(0, 1) for _ in range(count)]
        begin = len(data)
        data += struct.pack(f"<{count}e", *values)
        header[name] = dict(dtype="F16", shape=shape, data_offsets=[begin, len(data)])
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


if __name__ == "__main__":
    (FOLDER / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    (FOLDER / "tokenizer.json").write_text(json.dumps(tokenizer(), ensure_ascii=False) + "\n", encoding="utf-8")
    (FOLDER / "model.safetensors").write_bytes(model())
