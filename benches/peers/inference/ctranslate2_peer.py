"""CTranslate2 on the same random GPT-2: prints one line of JSON, as the Rust engines do.

    CT2_VERBOSE=1 python ctranslate2_peer.py --checkpoint 13b-4layers.safetensors --threads 2

Needs the packages ctranslate2 and numpy. The converted model is kept beside the checkpoint. The
first token's callback ends the prompt's time. Decoding continues with the tokens that the model
itself chooses, so only the logits after the prompt are told.
"""

import ctranslate2
import numpy as np
from ctranslate2.specs import TransformerDecoderModelSpec, common_spec

import peer


def convert(checkpoint, folder, quantization):
    config = checkpoint.config
    spec = TransformerDecoderModelSpec.from_config(
        config["num_layers"],
        config["num_attention_heads"],
        pre_norm=True,
        activation=common_spec.Activation.GELUTanh,
    )

    def linear(target, weight, bias):
        target.weight = np.array(weight)
        target.bias = np.array(bias)

    def norm(target, name):
        target.gamma = np.array(checkpoint[name + ".weight"])
        target.beta = np.array(checkpoint[name + ".bias"])

    decoder = spec.decoder
    decoder.scale_embeddings = False
    decoder.embeddings.weight = np.array(checkpoint["word_embeddings.weight"])
    decoder.projection.weight = decoder.embeddings.weight
    decoder.position_encodings.encodings = np.array(checkpoint["position_embeddings.weight"])
    norm(decoder.layer_norm, "final_layernorm")
    for i, layer in enumerate(decoder.layer):
        prefix = f"layers.{i}."
        both = lambda name: (checkpoint[f"{prefix}{name}.weight"], checkpoint[f"{prefix}{name}.bias"])
        norm(layer.self_attention.layer_norm, prefix + "input_layernorm")
        linear(layer.self_attention.linear[0], checkpoint.qkv(i, "weight"), checkpoint.qkv(i, "bias"))
        linear(layer.self_attention.linear[1], *both("attention.dense"))
        norm(layer.ffn.layer_norm, prefix + "post_attention_layernorm")
        linear(layer.ffn.linear_0, *both("mlp.dense_h_to_4h"))
        linear(layer.ffn.linear_1, *both("mlp.dense_4h_to_h"))
    spec.register_vocabulary([f"t{i}" for i in range(config["padded_vocab_size"])])
    # None of the tokens whose logits are told: the end token is forbidden, which makes its infinite.
    spec.config.bos_token = spec.config.eos_token = spec.config.unk_token = "t1"
    spec.validate()
    spec.optimize(quantization=quantization)
    folder.mkdir(exist_ok=True)
    spec.save(str(folder))


def main():
    args = peer.arguments("int8", "f32")
    quantization = {"int8": "int8_float32", "f32": "float32"}[args.format]
    folder = args.checkpoint.with_suffix(f".ctranslate2-{args.format}")
    if not (folder / "model.bin").exists():
        peer.log(f"writing {folder}")
        convert(peer.Checkpoint(args.checkpoint), folder, quantization)
    generator = ctranslate2.Generator(
        str(folder),
        device="cpu",
        compute_type=quantization,
        inter_threads=1,
        intra_threads=args.threads,
    )
    prompt = [f"t{i}" for i in peer.ids(args.prompt)]
    prompt_spans, decode_spans, logits = [], [], []
    for run in range(args.runs):
        times = []

        def each(step):
            times.append(peer.now())
            return False

        start = peer.now()
        result = generator.generate_batch(
            [prompt],
            max_length=args.decode + 1,
            min_length=args.decode + 1,
            include_prompt_in_result=False,
            return_logits_vocab=run == 0,
            callback=each,
        )
        assert len(times) == args.decode + 1, len(times)
        if run == 0:
            logits = peer.sample(np.array(result[0].logits[0][0]))
        prompt_spans.append(peer.span(start, times[0]))
        decode_spans.append(peer.span(times[0], times[-1]))
    describe = f"CTranslate2 {ctranslate2.__version__}, compute type {generator.compute_type}"
    peer.answer(describe, prompt_spans, decode_spans, logits)


main()
