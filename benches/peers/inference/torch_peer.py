"""The same random GPT-2 in plain PyTorch: prints one line of JSON, as the Rust engines do.

    python torch_peer.py --checkpoint 13b-4layers.safetensors --format bf16 --threads 2

Needs the packages torch and numpy. Everything is in the format's type, keys and values too;
attention is PyTorch's own `scaled_dot_product_attention`.
"""

import torch
import torch.nn.functional as F

import peer

TYPES = {"bf16": torch.bfloat16, "f32": torch.float32}


class Model:
    def __init__(self, checkpoint, dtype, tokens):
        config = checkpoint.config
        load = lambda array: torch.tensor(array).to(dtype)
        both = lambda name: (load(checkpoint[name + ".weight"]), load(checkpoint[name + ".bias"]))
        self.heads = config["num_attention_heads"]
        self.hidden = config["hidden_size"]
        self.words = load(checkpoint["word_embeddings.weight"])
        self.positions = load(checkpoint["position_embeddings.weight"])
        self.norm = both("final_layernorm")
        self.layers = []
        for i in range(config["num_layers"]):
            prefix = f"layers.{i}."
            self.layers.append(
                {
                    "attention_norm": both(prefix + "input_layernorm"),
                    "qkv": (load(checkpoint.qkv(i, "weight")), load(checkpoint.qkv(i, "bias"))),
                    "output": both(prefix + "attention.dense"),
                    "mlp_norm": both(prefix + "post_attention_layernorm"),
                    "up": both(prefix + "mlp.dense_h_to_4h"),
                    "down": both(prefix + "mlp.dense_4h_to_h"),
                }
            )
        shape = (config["num_layers"], 2, self.heads, tokens, self.hidden // self.heads)
        self.cache = torch.zeros(shape, dtype=dtype)
        self.fed = 0

    def feed(self, ids):
        n, fed, hidden = len(ids), self.fed, self.hidden
        norm = lambda x, parameters: F.layer_norm(x, (hidden,), *parameters)
        x = self.words[torch.tensor(ids)] + self.positions[fed : fed + n]
        for layer, cache in zip(self.layers, self.cache):
            qkv = F.linear(norm(x, layer["attention_norm"]), *layer["qkv"])
            q, k, v = qkv.view(n, 3, self.heads, -1).permute(1, 2, 0, 3)
            cache[0, :, fed : fed + n] = k
            cache[1, :, fed : fed + n] = v
            k, v = cache[0, :, : fed + n], cache[1, :, : fed + n]
            # The sequence is empty before the prompt, and one token sees everything.
            mixed = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=n > 1)[0]
            x = x + F.linear(mixed.transpose(0, 1).reshape(n, hidden), *layer["output"])
            wide = F.gelu(F.linear(norm(x, layer["mlp_norm"]), *layer["up"]), approximate="tanh")
            x = x + F.linear(wide, *layer["down"])
        self.fed += n
        return F.linear(norm(x[-1:], self.norm), self.words)[0].float()


@torch.inference_mode()
def main():
    args = peer.arguments(*TYPES)
    torch.set_num_threads(args.threads)
    tokens = args.prompt + args.decode
    model = Model(peer.Checkpoint(args.checkpoint), TYPES[args.format], tokens)
    ids = peer.ids(tokens)
    prompt_spans, decode_spans, logits = [], [], []
    for run in range(args.runs):
        model.fed = 0
        start = peer.now()
        after_prompt = model.feed(ids[: args.prompt])
        middle = peer.now()
        for i in ids[args.prompt :]:
            last = model.feed([i])
        end = peer.now()
        if run == 0:
            logits = peer.sample(after_prompt) + peer.sample(last)
        prompt_spans.append(peer.span(start, middle))
        decode_spans.append(peer.span(middle, end))
    capability = torch.backends.cpu.get_cpu_capability()
    describe = f"PyTorch {torch.__version__}, {capability}, oneDNN {torch.backends.mkldnn.is_available()}"
    peer.answer(describe, prompt_spans, decode_spans, logits)


main()
