"""Makes the checkpoints of this folder: one random model in every layout that is published, and
in a few that only torch.save can make. Needs torch; run it in this folder.

    python make.py
"""

import collections
import json
import os
import struct

import numpy as np
import torch

HIDDEN, LAYERS, POSITIONS, VOCAB, ROWS = 16, 2, 32, 120, 128
torch.manual_seed(20)


def layer():
    h, f = HIDDEN, 4 * HIDDEN
    shapes = {
        "input_layernorm": (h,),
        "attention.query": (h, h),
        "attention.key": (h, h),
        "attention.value": (h, h),
        "attention.dense": (h, h),
        "post_attention_layernorm": (h,),
        "mlp.dense_h_to_4h": (f, h),
        "mlp.dense_4h_to_h": (h, f),
    }
    out = {}
    for name, shape in shapes.items():
        centre = 1.0 if "layernorm" in name else 0.0
        out[name + ".weight"] = (centre + 0.2 * torch.randn(shape)).half()
        out[name + ".bias"] = (0.1 * torch.randn(shape[:1])).half()
    return out


def model():
    transformer = {}
    for i in range(LAYERS):
        transformer |= {f"layers.{i}.{k}": v for k, v in layer().items()}
    transformer |= {f"topQueryLayer.{k}": v for k, v in layer().items()}
    transformer["final_layernorm.weight"] = (1 + 0.2 * torch.randn(HIDDEN)).half()
    transformer["final_layernorm.bias"] = (0.1 * torch.randn(HIDDEN)).half()
    # More rows than the vocabulary, as in the published file.
    tables = [(0.5 * torch.randn(n, HIDDEN)).half() for n in (ROWS, POSITIONS, POSITIONS)]
    return tables, transformer


def nest(tables, transformer):
    word, position, top = tables
    return {
        "module": {
            "language_model": {
                "embedding": {
                    "word_embeddings": {"weight": word},
                    "position_embeddings": {"weight": position},
                },
                "topQueryEmbedding": {"top_query_embeddings": {"weight": top}},
                "transformer": transformer,
            }
        }
    }


def merge(transformer):
    out = dict(transformer)
    for prefix in [f"layers.{i}." for i in range(LAYERS)] + ["topQueryLayer."]:
        for kind in ("weight", "bias"):
            names = [f"{prefix}attention.{m}.{kind}" for m in ("query", "key", "value")]
            if prefix == "topQueryLayer.":
                out[f"{prefix}attention.key_value.{kind}"] = torch.cat([out.pop(n) for n in names[1:]])
            else:
                out[f"{prefix}attention.query_key_value.{kind}"] = torch.cat([out.pop(n) for n in names])
    return out


def shard(tables, transformer, rank, n):
    rows = lambda t: t.chunk(n, 0)[rank].clone()
    cols = lambda t: t.chunk(n, 1)[rank].clone()
    by_rows = ("query.weight", "query.bias", "key.weight", "key.bias", "value.weight", "value.bias",
               "dense_h_to_4h.weight", "dense_h_to_4h.bias")
    by_cols = ("attention.dense.weight", "dense_4h_to_h.weight")
    cut = {}
    for name, t in transformer.items():
        cut[name] = rows(t) if name.endswith(by_rows) else cols(t) if name.endswith(by_cols) else t
    return [rows(tables[0]), tables[1], rows(tables[2])], cut


def save(value, path, **options):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    torch.save(value, path, **options)


tables, transformer = model()
cast = lambda dtype: nest([t.to(dtype) for t in tables], {k: v.to(dtype) for k, v in transformer.items()})
save(nest(tables, transformer), "single.pt")
save(cast(torch.float32), "single_f32.pt")
save(cast(torch.bfloat16), "single_bf16.pt")
save(nest(tables, merge(transformer)), "merged_qkv.pt")
for n in (2, 4):
    for rank in range(n):
        save(nest(*shard(tables, transformer, rank, n)), f"mp{n}/mp_rank_{rank:02}_model_states.pt")
# Shards whose query, key and value are merged: each holds the three of its own rows.
for rank in range(2):
    t, cut = shard(tables, transformer, rank, 2)
    save(nest(t, merge(cut)), f"mp2_merged/mp_rank_{rank:02}_model_states.pt")
# Flat, as module.state_dict() gives it: an OrderedDict with `_metadata`, of parameters; in a later
# pickle protocol; beside the counters that training frameworks add.
flat = collections.OrderedDict()
for name, t in zip(("embedding.word_embeddings.weight", "embedding.position_embeddings.weight",
                    "topQueryEmbedding.top_query_embeddings.weight"), tables):
    flat["language_model." + name] = torch.nn.Parameter(t)
for name, t in transformer.items():
    flat["language_model.transformer." + name] = torch.nn.Parameter(t)
flat._metadata = collections.OrderedDict([("", {"version": 1})])
save({"iteration": 250000, "lr": 1e-4, "note": None, "module": flat, "sizes": [1, (2, 3)]},
     "flat_parameters.pt", pickle_protocol=4)
# Views: slices of one storage, and weights whose rows are not contiguous.
views = dict(transformer)
for i in range(LAYERS):
    names = [f"layers.{i}.attention.{m}.weight" for m in ("query", "key", "value")]
    views |= zip(names, torch.cat([views[n] for n in names]).chunk(3))
    name = f"layers.{i}.mlp.dense_4h_to_h.weight"
    views[name] = views[name].t().contiguous().t()
    name = f"layers.{i}.attention.dense.weight"
    views[name] = torch.cat([views[name], views[name]], 1)[:, :HIDDEN]
save(nest(tables, views), "views.pt")
# What torch wrote before 1.6, to be refused with advice.
save({"weight": tables[1][:1].clone()}, "legacy.pt", _use_new_zipfile_serialization=False)


def safetensors(path, tensors, **metadata):
    """Written out here, so that the files are no product of the code that they test."""
    header, data = {"__metadata__": metadata} if metadata else {}, b""
    for name, t in tensors.items():
        raw = t.contiguous().numpy().tobytes()
        header[name] = {"dtype": "F16", "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


# Canonical names, at an odd address as it happens: what every other file has to agree with.
named = dict(zip(("word_embeddings.weight", "position_embeddings.weight", "top_query_embeddings.weight"), tables))
safetensors("reference.safetensors", named | transformer)
# Published names in two files with an index.
halves, weight_map = ({}, {}), {}
for i, (name, t) in enumerate((named | transformer).items()):
    halves[i % 2]["transformer." + name] = t
    weight_map["transformer." + name] = f"model-0000{1 + i % 2}-of-00002.safetensors"
for i, half in enumerate(halves):
    safetensors(f"indexed/model-0000{1 + i}-of-00002.safetensors", half, format="pt")
with open("indexed/model.safetensors.index.json", "w") as f:
    json.dump({"metadata": {"total_size": 0}, "weight_map": weight_map}, f)
# What MindSpore exports: one array a parameter, some matrices as `[in, out]`.
MODULES = {
    "input_layernorm": "layernorm1",
    "attention.query": "attention.dense1",
    "attention.key": "attention.dense2",
    "attention.value": "attention.dense3",
    "attention.dense": "attention.projection",
    "post_attention_layernorm": "layernorm2",
    "mlp.dense_h_to_4h": "output.mapping",
    "mlp.dense_4h_to_h": "output.projection",
}


def mindspore(named, folder):
    os.makedirs(folder, exist_ok=True)
    for name, t in named.items():
        array = t.numpy()
        module, kind = name.rsplit(".", 1)
        if "embeddings" in module:
            module = module.replace("embeddings", "embedding")
            name = ("" if module.startswith("top") else "embedding.") + module + ".embedding_table"
        elif module == "final_layernorm":
            name = "layernorm." + {"weight": "gamma", "bias": "beta"}[kind]
        else:
            number = 3 if module.startswith("layers.") else 2
            place, module = ".".join(module.split(".")[: number - 1]), ".".join(module.split(".")[number - 1 :])
            place = place.replace("layers.", "blocks.").replace("topQueryLayer", "top_query_layer")
            if "layernorm" in module:
                kind = {"weight": "gamma", "bias": "beta"}[kind]
            if kind == "weight" and module in ("attention.dense", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h"):
                # In one layer as a view of the transpose, which is saved column after column.
                array = array.T if place == "blocks.1" else np.ascontiguousarray(array.T)
            name = f"{place}.{MODULES[module]}.{kind}"
        np.save(os.path.join(folder, f"backbone.{name}.npy"), array)


mindspore(named | transformer, "mindspore")
config = ('{"num_layers":%d,"hidden_size":%d,"num_attention_heads":2,"padded_vocab_size":%d,'
          '"max_position_embeddings":%d,"layernorm_epsilon":1e-05}\n') % (LAYERS, HIDDEN, VOCAB, POSITIONS)
for folder in (".", "mp2", "mp4", "mp2_merged", "indexed", "mindspore"):
    with open(os.path.join(folder, "config.json"), "w") as f:
        f.write(config)
