"""What the Python engines share: the command line, the checkpoint, the clock, the answer."""

import argparse
import json
import pathlib
import struct
import sys
import time

import numpy as np


def arguments(*formats):
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", type=pathlib.Path, required=True)
    parser.add_argument("--format", choices=formats, default=formats[0])
    for name, default in (("threads", 2), ("prompt", 512), ("decode", 32), ("runs", 3)):
        parser.add_argument("--" + name, type=int, default=default)
    return parser.parse_args()


class Checkpoint:
    """A safetensors file of F16 tensors that carries its configuration; mapped."""

    def __init__(self, path):
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            self.header = json.loads(file.read(length))
        self.config = json.loads(self.header.pop("__metadata__")["codegeex.config"])
        self.data = np.memmap(path, dtype=np.uint8, mode="r", offset=8 + length)

    def __getitem__(self, name):
        entry = self.header[name]
        assert entry["dtype"] == "F16", (name, entry["dtype"])
        start, end = entry["data_offsets"]
        return self.data[start:end].view(np.float16).reshape(entry["shape"])

    def qkv(self, layer, kind):
        names = ("query", "key", "value")
        return np.concatenate([self[f"layers.{layer}.attention.{n}.{kind}"] for n in names])


def ids(count):
    """The tokens that everyone is fed; the same formula as in `src/engine.rs`."""
    return [1000 + i * 7 % 50000 for i in range(count)]


def sample(logits):
    """Every 64th logit."""
    return [float(x) for x in logits[::64]]


def now():
    """Seconds by the clock, and of all threads on a core."""
    return np.array([time.perf_counter(), time.process_time()])


def span(start, end):
    wall, cpu = (end - start).tolist()
    return {"wall": wall, "cpu": cpu}


def answer(describe, prompt, decode, logits):
    print(json.dumps({"describe": describe, "prompt": prompt, "decode": decode, "logits": logits}))


def log(text):
    print(text, file=sys.stderr)
