#!/usr/bin/env python3
"""Writes tests/data/tokenizer_cases.jsonl: texts of our own, with the ids that the `tokenizers`
package of Hugging Face gives them after CodeGeeX's whitespace step.

Usage: python3 tools/tokenizer_cases.py src/tokenizer/gpt2_merges.bin > tests/data/tokenizer_cases.jsonl
Needs: pip install tokenizers
"""

import json
import random
import struct
import sys

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

TEXTS = [
    "", " ", "  ", "   ", " " * 9, " " * 10, " " * 11, " " * 12, " " * 19, " " * 20, " " * 21,
    " " * 101, "\n", "\n\n", "\n\n\n", "\t", "\t\t", "\r", "\r\n", "\r\n\r\n", "\v\f", " \n", "\n ",
    "\n  ", " \t ", "\t \t", "  \n  \n", "\n\n  x", "\n\n x", "\n\nx", "\t\tx", "\t\t x", "\t\t  x",
    " \tx", " \t\tx", "x ", "x  ", "x \n", "x  \n", "x\n ", "x\n\n", "x \n y", "x\n\n\ny", "x\n\n  \ny",
    " x", "  x", "   x", " " * 10 + "x", " " * 11 + "x", " " * 12 + "x", " " * 21 + "x",
    "a" + " " * 11 + "b" + " " * 2 + "c d",
    "\u00a0", "\u00a0x", "x\u00a0y", " \u00a0x", "\u2003\u2003x", "\u3000\u3000", "\u1680\u2028\u2029\u205f",
    "\u0085", "a\u0085b", "\u200b", "a\u200bb", "\ufeff#!/bin/sh",
    "def area(r):\n    \"\"\"Of a circle.\"\"\"\n    return 3.14159 * r ** 2\n",
    "class Stack:\n    def __init__(self):\n        self._items = []\n\n    def push(self, item):\n"
    "        self._items.append(item)\n",
    "for i in range(10):\n  if i % 2:\n    continue\n  print(f'{i:>3}')\n",
    "package main\n\nimport \"fmt\"\n\nfunc main() {\n\tfmt.Println(\"hi\")\n}\n",
    "if err != nil {\n\t\treturn nil, fmt.Errorf(\"open %q: %w\", name, err)\n\t}\n",
    "const sum = (xs) => xs.reduce((a, b) => a + b, 0);\r\nconsole.log(sum([1, 2, 3]));\r\n",
    "#include <vector>\nint main() { std::vector<int> v{1, 2, 3}; return v[0] - 1; }\n",
    "fn longest<'a>(x: &'a str, y: &'a str) -> &'a str { if x.len() > y.len() { x } else { y } }",
    "public static void main(String[] args) {\n        System.out.println(args.length);\n    }",
    "SELECT name, COUNT(*) FROM people WHERE age >= 18 GROUP BY name HAVING COUNT(*) > 1;",
    "<div class=\"row\">\n          <span id='x'>&nbsp;</span>\n</div>",
    "{\"key\": [1, -2.5e10, null, true], \"s\": \"\\u00e9\\n\"}",
    "\\frac{a}{b} \\sum_{i=0}^{n} x_i", "a.b.c->d::e?.f", "x+=1;y-=2;z*=3", "!!!", "???!!!...", "#" * 80,
    "-" * 79, "=" * 33, "/" * 7 + "*" * 5, "a" * 3, "a" * 50, "ab" * 40, "0" * 41, "_" * 17, "'" * 9, "\"\"\"",
    "don't can't we're they've I'm she'll he'd it's", "DON'T 'S 'LL", "'s", " 's", "x's", "''s", "'ss", "'re're",
    "'tis 'twas rock 'n' roll", "o'clock'", "'", " '", "' ", "'\u00e9", "l'\u00e9t\u00e9 d'\u00eatre",
    "0", "42", "3.14", "1,000,000", "0x1F", "1e-9", "2024-02-29T12:00:00Z", "v1.2.3-rc.4", "\u0663\u0664", "\u2167\u00bd\u00b2",
    "x1y2", "123abc456", " 12 34", "camelCaseName", "snake_case_name", "SCREAMING_CASE", "kebab-case", "x86_64",
    "\u00c4pfel und \u00d6l f\u00fcr Stra\u00dfe", "\u0141\u00f3d\u017a \u017c\u00f3\u0142w", "\u010cesk\u00fd k\u016f\u0148", "\u0130stanbul \u0131\u015f\u0131k",
    "\u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac \u03b3\u03c1\u03ac\u03bc\u03bc\u03b1\u03c4\u03b1", "\u0441\u044a\u0435\u0448\u044c \u0435\u0449\u0451 \u044d\u0442\u0438\u0445", "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01", "\u4eca\u5929\u5929\u6c14\u5f88\u597d", "\u6771\u4eac\u90fd\u306f\u5927\u304d\u3044\u3002", "\u30ab\u30bf\u30ab\u30ca", "\uc548\ub155\ud558\uc138\uc694 \uc138\uacc4",
    "\u10d2\u10d0\u10db\u10d0\u10e0\u10ef\u10dd\u10d1\u10d0", "\u0531\u0562\u0563", "\u1203\u1208\u1210", "\U00010330\U00010331", "\U0001d504\U0001d505 \U0001d7d8\U0001d7d9", "e\u0301 vs \u00e9", "z\u0351\u036b\u0343a\u0321l\u0315g\u0337o\u0321",
    "\U0001f600", "\U0001f600\U0001f680", "ok \U0001f44d\U0001f3fd", "\U0001f468\u200d\U0001f4bb", "\U0001f1e8\U0001f1ed", "\u2764\ufe0f", "\u2713 done \u2717", "\u20ac5 \u00a33 \u00a52", "\u2200x\u2208\u211d: x\u00b2\u22650",
    "\u201cquoted\u201d \u2018text\u2019 \u2014 dash\u2026", "\u00bfqu\u00e9? \u00a1s\u00ed!",
    "\x00", "\x00\x00", "a\x00b", "\x01\x02\x03", "\x1b[31mred\x1b[0m", "\x1c\x1d\x1e\x1f", "a\x1cb", "\x7f\x80\x9f", "\u00ad\u034f", "\ufffd\ufffe\uffff",
    "\ue000\uf8ff", "\U0010ffff", "\U000e0041",
    "<|endoftext|>", "<|endoftext|><|endoftext|>", "a<|endoftext|>b", "a <|endoftext|> b", "a  <|endoftext|>  b",
    "\n\n<|endoftext|>\n\n", "<|endoftext|", "<|endoftext |>", "|endoftext|>", "<<|endoftext|>>", "<|<|endoftext|>|>",
    "<|ENDOFTEXT|>", "<|extratoken_1|>", "<|extratoken_9|>", "<|extratoken_10|>", "<|extratoken_18|>x", "<|extratoken_19|>",
    "<|extratoken_143|>", "<|extratoken_0|>", "<|extratoken_144|>", "<|extratoken_01|>", "<|extratoken_12",
    "  <|extratoken_10|>  ", "x=<|extratoken_5|>;", "don<|extratoken_5|>'t",
]

ALPHABET = list("aAbzZ09_'\".,;:(){}[]<>|/\\+-*=!?#@$%&~^`") + [" "] * 14 + ["\n"] * 4 + ["\t"] * 2 + list(
    "\r\x00\x7f\u00e9\u00df\u00b5\u00b2\u0436\u05d0\u4e2d\u3042\ud55c\u0e01\u00a0\u2003\u200b\U0001f600\u0301\u0663")


def byte_chars():
    """The character that spells each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    chars = {byte: chr(byte) for byte in printable}
    chars.update({byte: chr(256 + n) for n, byte in enumerate(others)})
    return chars


def load(path):
    """The GPT-2 tokenizer with CodeGeeX's added tokens."""
    tokens = list(byte_chars().values())
    merges = []
    with open(path, "rb") as file:
        for left, right in struct.iter_unpack("<HH", file.read()):
            merges.append((tokens[left], tokens[right]))
            tokens.append(tokens[left] + tokens[right])
    tokenizer = Tokenizer(models.BPE({token: id for id, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    names = ["<|endoftext|>"] + [f"<|extratoken_{n}|>" for n in range(1, 144)]
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in names])
    assert tokenizer.token_to_id("<|endoftext|>") == 50256
    assert tokenizer.token_to_id("<|extratoken_143|>") == 50399
    return tokenizer


def name_spaces(text):
    for length in range(10, 1, -1):
        text = text.replace(" " * length, f"<|extratoken_{8 + length}|>")
    return text


def unname_spaces(text):
    for length in range(10, 1, -1):
        text = text.replace(f"<|extratoken_{8 + length}|>", " " * length)
    return text


def main():
    tokenizer = load(sys.argv[1])
    source = random.Random(1)
    texts = TEXTS + ["".join(source.choices(ALPHABET, k=source.randint(1, 60))) for _ in range(200)]
    for text in texts:
        ids = tokenizer.encode(name_spaces(text)).ids
        decoded = unname_spaces(tokenizer.decode(ids, skip_special_tokens=False))
        case = {"text": text, "ids": ids}
        if decoded != text:
            case["decoded"] = decoded
        print(json.dumps(case))


if __name__ == "__main__":
    main()
