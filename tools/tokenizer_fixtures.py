"""Writes tests/data/tokenizers/: small tokenizers of every kind, and what other implementations make of
texts with them.

Usage: python3 tools/tokenizer_fixtures.py   (needs the packages tokenizers and sentencepiece)

The vocabularies are trained on this repository's own sources. Ids and text are those of Hugging
Face's `tokenizers`, and of SentencePiece for `sentencepiece.model`.
"""

import glob
import io
import json
import os
import random

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers as pre
from tokenizers import processors, trainers

ROOT = os.path.join(os.path.dirname(__file__), "..")
OUT = os.path.join(ROOT, "tests", "data", "tokenizers")
TEXTS = [
    open(path, encoding="utf-8").read()
    for path in sorted(glob.glob(os.path.join(ROOT, "src", "tokenizer", "*.rs")))
    if "tables" not in path
] + ["中文漢字日本語かなカナ한국어 éüñ λβγ 🙂 123 4567"] * 20

WORDS_1 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
WORDS_3 = WORDS_1.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
DEEPSEEK = [
    r"\p{N}{1,3}",
    "[一-龥\u3040-ゟ゠-ヿ]+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
    "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
]
DEEPSEEK_CODER = ["[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "[一-龥ࠀ-一가-퟿]+"]
END = AddedToken("<|endoftext|>", special=True, normalized=False)


def isolated(*patterns):
    return [pre.Split(Regex(pattern), "isolated") for pattern in patterns]


def byte_level(name, steps, added=(), normalizer=None, ignore_merges=False, use_regex=False):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer:
        tokenizer.normalizer = normalizer
    last = pre.ByteLevel(add_prefix_space=False, use_regex=use_regex)
    tokenizer.pre_tokenizer = pre.Sequence([*steps, last]) if steps else last
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=420, initial_alphabet=pre.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.add_special_tokens([END])
    tokenizer.add_tokens(list(added))
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return name, tokenizer


def characters(name, normalizer, pre_tokenizer, decoder, bos):
    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizers.Replace(" ", "▁")
    trained.pre_tokenizer = pre.Split("▁", "merged_with_next")
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)],
        limit_alphabet=90,
        show_progress=False,
    )
    trained.train_from_iterator(TEXTS, trainer)
    model = json.loads(trained.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    # A run of spaces, as the published vocabularies have them.
    vocab = model["vocab"]
    for n in (2, 4, 8):
        vocab["▁" * n] = len(vocab)
        merges.append(("▁" * (n // 2),) * 2)
    tokenizer = Tokenizer(
        models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoder
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in ("<unk>", "<s>", "</s>")])
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
        )
    return name, tokenizer


def sentencepiece_decoder(strip):
    parts = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    return decoders.Sequence(parts + ([decoders.Strip(" ", 1, 0)] if strip else []))


RUNS = [AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)]
TABS = [AddedToken("\t" * n, normalized=True) for n in range(9, 1, -1)]
FIM = [AddedToken(f"<|fim_{part}|>", special=True, normalized=False) for part in ("prefix", "middle", "suffix")]

ALL = [
    byte_level("gpt2", [], use_regex=True),
    byte_level("starcoder", [pre.Digits(individual_digits=True)], FIM, use_regex=True),
    byte_level("codegen", [], RUNS + TABS, use_regex=True),
    byte_level("neox", [], RUNS, normalizer=normalizers.NFC(), use_regex=True),
    byte_level("qwen2", isolated(WORDS_1), [AddedToken("<tool_call>", normalized=False)], normalizer=normalizers.NFC()),
    byte_level("llama3", isolated(WORDS_3), ignore_merges=True),
    byte_level("deepseek_v3", isolated(*DEEPSEEK), [AddedToken("<｜fim▁hole｜>", normalized=True)]),
    byte_level("deepseek_coder", isolated(*DEEPSEEK_CODER) + [pre.Digits(individual_digits=True)]),
    byte_level(
        "flags",
        isolated(WORDS_3),
        [
            AddedToken("word", single_word=True, normalized=False),
            AddedToken("<left>", lstrip=True, normalized=False),
            AddedToken("<right>", rstrip=True, normalized=False),
        ],
    ),
    characters(
        "llama2",
        normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
        None,
        sentencepiece_decoder(True),
        True,
    ),
    characters("yi", normalizers.Replace(" ", "▁"), None, sentencepiece_decoder(False), False),
    characters(
        "mistral", None, pre.Metaspace("▁", "first", False), sentencepiece_decoder(True), True
    ),
    characters(
        "metaspace",
        None,
        pre.Metaspace("▁", "always", True),
        sentencepiece_decoder(True),
        False,
    ),
    characters(
        "gemma",
        normalizers.Replace(" ", "▁"),
        pre.Split(" ", "merged_with_previous"),
        sentencepiece_decoder(False),
        True,
    ),
]

PARTS = [
    "def ", "return", "    ", "\n\n", "\r\n", "\n", " \n \n", "fn main() {", "for i in range(10):", "//", "==", " != ",
    "'s", "'LL", "'ſ", "don't", "x1y2", "12345678", " 3.14", "é", "e\u0301", "\u212b", "中文", "かな", "カ", "한", "ࠀ", "\t\t",
    "  ", " ", "          ", "<s>", "</s>", "<|endoftext|>", "<|fim_prefix|>", "<tool_call>", "<｜fim▁hole｜>", "word", "words",
    "<left>", " <left> ", " <right> ", "▁", "▁▁a", "🙂", "👩\u200d💻", "\u00a0", "\u2003", "\u0085", "½", "Ⅷ", "٣", "\x00", "\u200b",
    "€", "«", "_", ".", "self.", "impl", "let", "Result<()>", "==========", "हिन्दी", "\u0301", "ß", "ı",
]


def texts():
    random.seed(14)
    found = ["", " ", "  ", "a", " a", "  a", "\n", "Hello world", "▁", "<s>", "<s>a", "a<s> b</s>"]
    for _ in range(60):
        found.append("".join(random.choice(PARTS) for _ in range(random.randint(1, 10))))
    return found


def main():
    os.makedirs(OUT, exist_ok=True)
    for name, tokenizer in ALL:
        cases = []
        for text in texts():
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            decoded = tokenizer.decode(ids, skip_special_tokens=False)
            prefix = tokenizer.encode("a").ids[: -len(tokenizer.encode("a", add_special_tokens=False).ids)]
            cases.append({"text": text, "ids": ids, "decoded": decoded})
        whole = {"prefix": prefix, "cases": cases, "tokenizer": json.loads(tokenizer.to_str())}
        with open(os.path.join(OUT, name + ".json"), "w", encoding="utf-8") as file:
            json.dump(whole, file, ensure_ascii=False, separators=(",", ":"))
            file.write("\n")
    sentencepiece_model("sentencepiece", normalization_rule_name="identity", remove_extra_whitespaces=False)
    rules = os.path.join(OUT, "rules.tsv")
    with open(rules, "w", encoding="utf-8") as file:
        for before, after in [("½", "1/2"), ("Ⅷ", "VIII"), ("e\u0301", "é"), ("\t", " "), ("\u2003", " "), ("\u200b", ""), ("==", "=")]:
            file.write(" ".join(f"{ord(c):X}" for c in before) + "\t" + " ".join(f"{ord(c):X}" for c in after) + "\n")
    sentencepiece_model("sentencepiece_mapped", normalization_rule_tsv=rules)
    os.remove(rules)


def sentencepiece_model(name, **settings):
    model = io.BytesIO()
    lines = [line[:200] for text in TEXTS for line in text.split("\n") if line.strip()]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type="bpe",
        vocab_size=500,
        byte_fallback=True,
        character_coverage=0.98,
        user_defined_symbols=["<user>"],
        minloglevel=2,
        **settings,
    )
    with open(os.path.join(OUT, name + ".model"), "wb") as file:
        file.write(model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    cases = []
    for text in texts() + ["a<user>b", "<user>", " <user>  c\t\t\td  "]:
        # SentencePiece takes no name of a control for the control.
        # Where it removes white space, it decodes marks at the beginning to nothing.
        if "tsv" in "".join(settings) and text.startswith("▁"):
            continue
        ids = processor.encode(text)
        cases.append({"text": text, "ids": ids, "decoded": processor.decode(ids)})
    with open(os.path.join(OUT, name + ".json"), "w", encoding="utf-8") as file:
        json.dump({"prefix": [], "cases": cases}, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


main()
