#!/usr/bin/env python3
"""Trains small tokenizers of the pipelines people use: tests/golden/tokenizers.

Each has the parts and the options of a published family, a few hundred tokens
of its own, and the ids that the `tokenizers` package gives for texts that are
hard on purpose.
"""
import json
import pathlib

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers as pre
from tokenizers import processors, trainers

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "tests/golden/tokenizers"

# Written for this purpose: some words of some languages, over and over.
CORPUS = [
    "the cat sat on the mat and the dog sat on the log; the sum of 12 and 345 is 357",
    "It's what they'll say: I've seen that we're fine, don't you? THE THING IS THINKING.",
    "  indented code\n    return x[0] == y[1]; // comment\n\n\tfor (int i = 0; i < 10; i++) {}\n",
    "der Fuchs l\u00e4uft \u00fcber die Stra\u00dfe, na\u00efve caf\u00e9 \u00e9t\u00e9, ma\u00f1ana se\u00f1or",
    "\u4f60\u597d\u4e16\u754c \u4eca\u5929\u5929\u6c14\u5f88\u597d \u4f60\u597d \u3053\u3093\u306b\u3061\u306f \u30ab\u30bf\u30ab\u30ca \ud55c\uad6d\uc5b4 \ud55c\uad6d",
    "\u043f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440, \u043f\u0440\u0438\u0432\u0435\u0442 \u0434\u0440\u0443\u0433; \u03b3\u03b5\u03b9\u03ac \u03c3\u03bf\u03c5; \u05e9\u05dc\u05d5\u05dd; \u0645\u0631\u062d\u0628\u0627",
] * 3

TEXTS = [
    "", " ", "  ", "   a", "a   ", "\n", "\n\n", "\r\n\r\n", "\t\t x", " \n \n  y", "a\n \nb", "a \n",
    "the cat", "The Cat sat.", "thethe", "on the mat", "don't I've they'LL 'S 's it'\u017f \u2019s",
    "1", "12", "123", "1234567", "3.14159e-10", "\u0663\u0664\u0665", "\u00bd\u00b2\u2167 \u2460", "x1y22z333",
    "x[0] == y[1]; // comment", "foo_bar __init__ a-b a--b ---", "!!! ??? ... \u2014\u201cq\u201d\u2026", "$5 \u20ac6 \u00a37 50%",
    "caf\u00e9", "cafe\u0301", "\u1e9b\u0323 \ufb01 \u212b \u2126", "a\u0301\u0302\u0303b", "\u0301", "\u0915\u094d\u0937\u093f \u0e44\u0e17\u0e22",
    "\u4f60\u597d\u4e16\u754c", "\u4eca\u5929 \u5f88\u597d\u3002", "\u3053\u3093\u306b\u3061\u306f\u30ab\u30bf\u30ab\u30ca", "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab", "\u5929a\u6c14b1\u597d",
    "\u043f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!", "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u202b\u202c",
    "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f3f3\ufe0f\u200d\U0001f308", "\U0001f1eb\U0001f1f7", "x\U0001f600y\U0001d49cz",
    "\u00a0\u3000\u2009x\u2028y\u0085z", "\u200b\u200c\u200d\ufeff", "\u0000\u0001\u001f\u007f", "\ufffd \ue000 \U0010ffff", "\u01c5 \u0130\u0131 \u00df",
    "<s>", "</s>", "a<s>b", " <s> ", "<s><s>", "<unk>", "x<unk>y", "<|x|>", "a <|x|> b", "<|x|><|x|>", "<|x|", "<|<|x|>|>",
    "<think>\nhm\n</think>\n\n4", "a<think> b", "word", "a word b", "awordb", "word_ word", "\u00e9word word\u0301",
    "<0x41>", "<0x0A>\n", "\u2581", "\u2581\u2581a", "\u0120\u010a", "\u0120 the", "a\u2581b",
    "the \u4e16\u754c and 42 caf\u00e9s\n\n  \U0001f44d\U0001f3fd end", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    " " * 50 + "x", "the" * 30, "na\u00efve\u00e9t\u00e9 se\u00f1or Stra\u00dfe", "THE THING's",
]

GPT2 = pre.ByteLevel(add_prefix_space=False)
BYTES = pre.ByteLevel(add_prefix_space=False, use_regex=False)
QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = QWEN.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
DEEPSEEK3 = (
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
    "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"
)
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def split(pattern):
    return pre.Split(Regex(pattern), "isolated")


def special(*names):
    return [AddedToken(name, special=True, normalized=False) for name in names]


def byte_level(pre_tokenizer, added, normalizer=None, **options):
    t = Tokenizer(models.BPE(**options))
    if normalizer is not None:
        t.normalizer = normalizer
    t.pre_tokenizer = pre_tokenizer
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre.ByteLevel.alphabet(), show_progress=False
    )
    t.train_from_iterator(CORPUS, trainer)
    add(t, added)
    return t


def add(t, added):
    for token in added:
        (t.add_special_tokens if token.special else t.add_tokens)([token])


def begin(t, name):
    """A post-processor that puts a token before every text."""
    t.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single=f"{name} $A", special_tokens=[(name, t.token_to_id(name))]),
        ]
    )
    return t


def sentence_piece(normalizer, pre_tokenizer, decoder, added, falls_back=True, **options):
    """BPE over characters, with bytes to fall back to, as converters write it."""
    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizers.Replace(" ", "\u2581")
    trained.pre_tokenizer = pre.Split("\u2581", "merged_with_next")
    trained.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=250, show_progress=False))
    model = json.loads(trained.to_str())["model"]
    names = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256) if falls_back]
    keys = names + sorted(model["vocab"], key=model["vocab"].get)
    vocab = {key: i for i, key in enumerate(keys)}
    merges = [tuple(m) for m in model["merges"]]
    t = Tokenizer(models.BPE(vocab, merges, byte_fallback=falls_back, **{"unk_token": "<unk>", "fuse_unk": True} | options))
    if normalizer is not None:
        t.normalizer = normalizer
    if pre_tokenizer is not None:
        t.pre_tokenizer = pre_tokenizer
    t.decoder = decoder
    add(t, special("<unk>", "<s>", "</s>") + added)
    t.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return t


def after_fuse(strip):
    steps = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    return decoders.Sequence(steps + ([decoders.Strip(" ", 1, 0)] if strip else []))


def flagged(t):
    """Every flag of an added token."""
    add(
        t,
        [
            AddedToken("<|x|>", special=True, normalized=False, lstrip=True, rstrip=True),
            AddedToken("word", special=False, normalized=True, single_word=True),
            AddedToken("<think>", special=False, normalized=False, rstrip=True),
            AddedToken("the mat", special=False, normalized=True, lstrip=True),
        ],
    )
    return t


def make():
    think = [AddedToken("<think>", special=False, normalized=False), AddedToken("</think>", special=False, normalized=False)]
    legacy = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    first = pre.Metaspace(replacement="\u2581", prepend_scheme="first", split=False)
    cjk = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
    yield "gpt2", byte_level(GPT2, special("<|x|>"))
    yield "gpt2-prefix", byte_level(pre.ByteLevel(add_prefix_space=True), special("<|x|>"))
    yield "qwen", byte_level(pre.Sequence([split(QWEN), BYTES]), special("<|x|>") + think, normalizers.NFC())
    yield "llama3", begin(byte_level(pre.Sequence([split(LLAMA3), BYTES]), special("<|x|>", "<s>"), ignore_merges=True), "<s>")
    yield "deepseek3", byte_level(
        pre.Sequence([split("\\p{N}{1,3}"), split(cjk), split(DEEPSEEK3), BYTES]), special("<|x|>") + think
    )
    yield "deepseek2", byte_level(
        pre.Sequence(
            [
                split("[\r\n]"), split("\\s?\\p{L}+"), split("\\s?\\p{P}+"), split("[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7a3]+"),
                pre.Digits(individual_digits=True), split("\\s+$"), BYTES,
            ]
        ),
        special("<|x|>"),
        normalizers.Sequence([]),
    )
    yield "o200k", byte_level(pre.Sequence([split(O200K), BYTES]), special("<|x|>"))
    yield "flags", flagged(byte_level(GPT2, [], normalizers.NFKC()))
    yield "llama2", sentence_piece(legacy, None, after_fuse(True), [])
    yield "llama2-flags", flagged(sentence_piece(legacy, None, after_fuse(True), []))
    yield "mistral", sentence_piece(None, first, after_fuse(True), [])
    yield "gemma", sentence_piece(
        normalizers.Replace(" ", "\u2581"), pre.Split(" ", "merged_with_previous"), after_fuse(False), []
    )
    always = pre.Metaspace(replacement="\u2581", prepend_scheme="always", split=True)
    back = decoders.Metaspace(replacement="\u2581", prepend_scheme="always", split=True)
    yield "unknown", sentence_piece(None, always, back, [], falls_back=False, fuse_unk=False)
    yield "unknown-fused", sentence_piece(None, always, back, [], falls_back=False)
    pieces = pre.Sequence([pre.Whitespace(), pre.Punctuation("contiguous"), pre.Digits(individual_digits=False)])
    yield "pieces", sentence_piece(None, pieces, back, [], falls_back=False)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, t in make():
        text = t.to_str(pretty=False)
        (OUT / f"{name}.json").write_text(text + "\n")
        t = Tokenizer.from_str(text)
        row = {"name": name, "ids": [], "decoded": {}, "plain": {}, "prefix": t.encode("a").ids[:-1] if name == "llama3" else None}
        for i, line in enumerate(TEXTS):
            ids = t.encode(line, add_special_tokens=False).ids
            row["ids"].append(ids)
            back, plain = t.decode(ids, skip_special_tokens=False), t.decode(ids)
            if back != line:
                row["decoded"][str(i)] = back
            if plain != back:
                row["plain"][str(i)] = plain
        if row["prefix"] is None:
            del row["prefix"]
        rows.append(row)
    (OUT / "vectors.json").write_text(json.dumps({"texts": TEXTS, "tokenizers": rows}, separators=(",", ":")) + "\n")
    print(OUT.relative_to(ROOT), sum(p.stat().st_size for p in OUT.iterdir()))


main()
