"""Completes code with the model whose path is given, streamed, and cancels a second completion:

    tools/install-capi.sh /tmp/codegeex
    pip install ./bindings/python
    CODEGEEX_LIBRARY=/tmp/codegeex/lib/libcodegeex.so \\
        python bindings/python/examples/complete.py models/codegeex_tiny.safetensors

The same program exists in Rust (examples/hello.rs, which documents its exact output), and in the
other languages of bindings/.
"""

from __future__ import annotations

import sys

import codegeex


def main(path: str) -> None:
    out = open(sys.stdout.fileno(), "w", encoding="utf-8", newline="\n", closefd=False)
    with out, codegeex.Model(path) as model:
        prompt = codegeex.prompt("python", "def read_lines(path):")
        options = codegeex.GenerateOptions(max_new_tokens=48, temperature=0.8, top_p=0.95, seed=7)
        stream = model.stream(prompt, options)
        for text in stream.texts():
            out.write(text)
            out.flush()
        (done,) = stream.completions
        out.write(f"\n-- {len(done.ids)} tokens, {done.finish_reason}\n")

        # Closing the stream also cancels, but more tokens may have been sampled by then. A callback
        # that returns False ends the generation after exactly N tokens. Another way is a
        # CancelToken.
        left = 5

        def count_down(event: codegeex.Event) -> bool:
            nonlocal left
            left -= isinstance(event, codegeex.Token)
            return left > 0

        options.max_new_tokens, options.temperature = 512, 0.0
        (done,) = model.generate(prompt, options, on_event=count_down)
        out.write(f"-- cancelled after {len(done.ids)} tokens, {done.finish_reason}\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} MODEL")
    try:
        main(sys.argv[1])
    except codegeex.Error as error:
        sys.exit(f"error {error.status}: {error}")
