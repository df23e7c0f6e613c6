"""What a token costs by the Python interface, with a callback and without one: what callback.c
measures, the same way and with the same lines. Beside them what a stream costs, which hands every
event from one thread to another.

    tools/install-capi.sh /tmp/codegeex
    pip install ./bindings/python
    CODEGEEX_LIBRARY=/tmp/codegeex/lib/libcodegeex.so \\
        python benches/capi/callback.py models/codegeex_tiny.safetensors
"""

from __future__ import annotations

import statistics
import sys
import time

import codegeex

ROUNDS = 15
TOKENS = 256
PROMPT = "# language: Python\ndef read_lines(path):"


def main(path: str) -> None:
    model = codegeex.Model(path, threads=1)
    options = codegeex.GenerateOptions(max_new_tokens=TOKENS, temperature=0.8, seed=7)
    size = 0

    def hear(event: codegeex.Event) -> None:
        nonlocal size
        size += len(event.text)

    def stream() -> list[codegeex.Completion]:
        events = model.stream(PROMPT, options)
        for event in events:
            hear(event)
        return events.completions

    ways = {
        "without a callback": lambda: model.generate(PROMPT, options),
        "with a callback": lambda: model.generate(PROMPT, options, on_event=hear),
        "as a stream": stream,
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, run in ways.items():
            size = 0
            start = time.perf_counter()
            (done,) = run()
            took = time.perf_counter() - start
            assert len(done.ids) == TOKENS
            assert way == "without a callback" or size == len(done.text)
            times[way].append(took * 1e6 / TOKENS)
    print(f"Python, kernels {model.kernels}")
    for way, all_times in times.items():
        print(f"{way}: {statistics.median(all_times):.3f} us a token")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} MODEL")
    main(sys.argv[1])
