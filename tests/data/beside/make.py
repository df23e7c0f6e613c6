"""Makes the pickles of this folder: what training scripts save beside a model's weights.

Needs NumPy, no torch: what torch pickles of its own is written as it writes it. Run it in this
folder.

    python make.py
"""

import argparse
import collections
import datetime
import enum
import functools
import pathlib
import pickle
import random
import sys
import types
import uuid

import numpy

torch = types.ModuleType("torch")
sys.modules["torch"] = torch


def stand_in(name, base=object):
    """A class of torch's name that pickles as torch's does: a global that is called."""
    made = type(name, (base,), {"__module__": "torch", "__qualname__": name})
    setattr(torch, name, made)
    return made


Size = stand_in("Size", tuple)
Size.__reduce__ = lambda self: (Size, (tuple(self),))
device = stand_in("device")
device.__reduce__ = lambda self: (device, ("cuda", 0))
dtype = stand_in("dtype")


def named_dtype(name):
    value = dtype()
    value.name = name
    setattr(torch, name, value)
    return value


dtype.__reduce__ = lambda self: self.name
half = named_dtype("float16")
float8 = named_dtype("float8_e4m3fn")


class Precision(enum.Enum):
    FP16 = 1


class Tokenizer:
    """An object with a vocabulary, as it is saved by mistake."""

    def __init__(self):
        self.ids = {f"token {i}": i for i in range(300)}
        self.names = {i: name for name, i in self.ids.items()}
        self.me = self


class WithSlots:
    __slots__ = ("a", "b")

    def __init__(self):
        self.a, self.b = 1, [2]


class WithArguments:
    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)

    def __getnewargs_ex__(self):
        return (1,), {"key": "value"}


def shared():
    inner = {"lr": 1e-4}
    again = {"a": inner, "b": inner}
    again["self"] = again
    items = [again]
    items.append(items)
    deep = value = {}
    for _ in range(30):
        value["deeper"] = value = {}
    return {"hparams": inner, "hyper_parameters": inner, "cycle": items, "deep": deep, "dict": again}


random.seed(1)
numpy.random.seed(1)
args = argparse.Namespace(
    num_layers=2, lr=1e-4, fp16=True, params_dtype=half, save=pathlib.PurePosixPath("/data/run"),
    rank=None, betas=(0.9, 0.95), odd="caf\udce9", big=1 << 80, device=device(), nested=argparse.Namespace(a=1))
VALUES = {
    "args": args,
    "deepspeed": {
        "mp_world_size": 1, "global_steps": numpy.int64(500), "loss_scale": numpy.float32(65536.0),
        "csr_tensor_module_names": set(), "skipped": {1, 2}, "frozen": frozenset([3]),
        "param_shapes": [collections.OrderedDict(weight=Size((16, 16)))], "dtype": half, "other": float8,
        "device": device(), "ds_version": "0.9", "ds_config": {"zero": {"stage": 1}}},
    "numpy": {
        "array": numpy.arange(6.0).reshape(2, 3), "strings": numpy.array(["a", "bc"]),
        "objects": numpy.array([{"a": 1}, None], dtype=object), "scalar": numpy.bool_(True),
        "record": numpy.zeros(2, dtype=[("x", "f4"), ("y", "i8")]), "dtype": numpy.dtype("float16")},
    "random": {
        "python": random.getstate(), "numpy": numpy.random.get_state(), "generator": numpy.random.default_rng(1)},
    "objects": {
        "default": collections.defaultdict(list, a=[1]), "counter": collections.Counter("aab"),
        "deque": collections.deque([1, 2]), "partial": functools.partial(int, base=2), "complex": 1 + 2j,
        "when": datetime.datetime(2024, 1, 1), "id": uuid.UUID(int=1), "enum": Precision.FP16, "class": Tokenizer,
        "function": len, "slots": WithSlots(), "arguments": WithArguments(), "bytes": b"\xff", "array": bytearray(b"\xff"),
        "range": range(3), "slice": slice(1), "exception": ValueError("x"), "ellipsis": ...},
    "tokenizer": Tokenizer(),
    "shared": shared(),
}
for name, value in VALUES.items():
    for protocol in (2, 4, 5):
        with open(f"{name}.{protocol}.pkl", "wb") as f:
            pickle.dump(value, f, protocol=protocol)
