#!/usr/bin/env python3
"""Writes the hostile inputs of the fuzz targets of proto and of model files (`make corpora`).

Into tests/fuzz/corpus/{envelope,wire,wire_bounds,journal,object,template}, and some of those of
tokenizer, shape, export_config, weight_index and safetensors; the layout of an input is in the head
of its fuzz target.  Files that are there under other names, such as inputs that once broke
a target, stay.
"""
import json
import pathlib
import struct

ROOT = pathlib.Path(__file__).resolve().parent.parent / "tests/fuzz/corpus"


def put(target, name, content):
    folder = ROOT / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


# --- msgpack, no more of it than is needed ---------------------------------------------------------


class F32(float):
    pass


class Raw(bytes):
    """Bytes that stand in the msgpack as they are."""


def pack(v):
    if isinstance(v, Raw):
        return bytes(v)
    if v is None:
        return b"\xc0"
    if isinstance(v, bool):
        return b"\xc3" if v else b"\xc2"
    if isinstance(v, int):
        if v < 0:
            return b"\xd3" + struct.pack(">q", v)
        return bytes([v]) if v < 128 else b"\xcf" + struct.pack(">Q", v)
    if isinstance(v, F32):
        return b"\xca" + struct.pack(">f", v)
    if isinstance(v, float):
        return b"\xcb" + struct.pack(">d", v)
    if isinstance(v, str):
        text = v.encode()
        return b"\xda" + struct.pack(">H", len(text)) + text
    if isinstance(v, bytes):
        return b"\xc4" + bytes([len(v)]) + v
    if isinstance(v, list):
        return b"\xdc" + struct.pack(">H", len(v)) + b"".join(map(pack, v))
    if isinstance(v, dict):
        return b"\xde" + struct.pack(">H", len(v)) + b"".join(pack(k) + pack(x) for k, x in v.items())
    raise TypeError(v)


# --- wire ------------------------------------------------------------------------------------------

HASH = bytes(range(32))
TYPES = [
    "", "hello", "welcome", "refuse", "ready", "credit", "lease", "progress", "result", "ack",
    "return", "cancel", "announce", "get", "manifest", "chunk", "bye",
]  # fmt: skip


def frames(kind, *parts):
    sizes = b"".join(struct.pack("<H", len(p)) for p in parts)
    return bytes([kind, len(parts)]) + sizes + b"".join(parts)


def message(name, header, *blobs):
    return frames(TYPES.index(name), header if isinstance(header, bytes) else pack(header), *blobs)


LEASE = {
    "lease": 2**63, "kind": 1, "step": 3, "prompt": 4, "n_prompts": 1, "n_samples": 16,
    "version": 7, "seed": 2**64 - 1, "temperature": F32(1.0), "top_p": F32(0.95), "top_k": 20,
    "max_new_tokens": 512, "timeout_ms": 30000,
}  # fmt: skip
RESULT = {
    "lease": 1, "kind": 1, "prompt": 2, "sample": 0, "outcome": 0, "finish": 0, "n_prompt": 2,
    "n_tokens": 5, "spans": [[0, 7], [2, 8]], "reward": 1.5, "rewards": [["accuracy", 1.0]],
    "metrics": [["level", 3.0]], "answer": 99, "correct": True, "source": "sums",
    "blobs": ["tokens", "loss_mask", "logprobs"],
}  # fmt: skip
RESULT_BLOBS = [struct.pack("<5I", *range(5)), struct.pack("<5f", 0, 0, 1, 1, 1), struct.pack("<3f", -1, -2, -0.5)]
GOOD = {
    "hello": ({"protocol": 1, "session": 5, "name": "node7", "fingerprint": HASH},),
    "welcome": ({"spec": "{}", "files": [["config.json", HASH, 10]], "progress_ms": 1000, "deterministic": True},),
    "refuse": ({"reason": 2, "text": "other arithmetic"},),
    "ready": ({"shape": HASH, "tokenizer": HASH, "sampler": HASH, "spec": HASH},),
    "credit": ({"bytes": 1 << 20, "samples": 64, "has_weights": True, "version": 4},),
    "lease": (LEASE,),
    "progress": ({"leases": [[1, 100], [2, 0]]},),
    "result": (RESULT, *RESULT_BLOBS),
    "ack": ({"samples": [[1, 2, 0, 1], [1, 2, 1, 5]]},),
    "return": ({"leases": [1, 2, 3], "reason": "stopping"},),
    "cancel": ({"leases": [9]},),
    "announce": ({"version": 3, "object": HASH, "size": 1 << 30},),
    "get": ({"object": HASH, "manifest": True, "first": 1, "count": 8},),
    "manifest": ({"object": HASH, "size": (1 << 20) + 1, "version": 3, "chunk_bytes": 1 << 20, "n_chunks": 2, "blobs": ["chunks"]}, HASH * 2),
    "chunk": ({"object": HASH, "number": 1, "size": 3, "blobs": ["bytes"]}, b"abc"),
    "bye": ({"final": True, "reason": "done"},),
}


def changed(name, **keys):
    header = {**GOOD[name][0], **keys}
    return message(name, {k: v for k, v in header.items() if v is not None}, *GOOD[name][1:])


def blobs(names, *content):
    return message("result", {**RESULT, "blobs": names}, *content)


def write_wire():
    for name, parts in GOOD.items():
        put("wire", f"good-{name}", message(name, *parts))
        put("wire", f"cut-{name}", message(name, pack(parts[0])[:-1], *parts[1:]))
        put("wire", f"no-keys-{name}", message(name, {}, *parts[1:]))
        put("wire", f"surplus-blob-{name}", message(name, *parts, b"surplus"))
    put("wire", "type-0", frames(0, pack({})))
    put("wire", "type-17", frames(17, pack({})))
    put("wire", "type-255", frames(255, pack({})))
    lies = {
        "array32-256Mi": b"\xdd\x10\x00\x00\x00", "map32-max": b"\xdf\xff\xff\xff\xff",
        "str32-max": b"\xdb\xff\xff\xff\xff", "bin32-max": b"\xc6\xff\xff\xff\xff",
        "map32-wraps": b"\xdf\x80\x00\x00\x01\xa1a\x01", "ext": b"\xc7\x04\x01abcd",
        "fixext": b"\xd4\x01a", "never-used": b"\xc1", "empty": b"", "number": b"\x07",
        "deep": b"\x91" * 100 + b"\x01", "deep-maps": b"\x81\xa1a" * 50 + b"\x01",
        "many": b"\xdc\x80\x00" + b"\x01" * 0x8000, "two-objects": b"\x80\x80",
        "array": pack([1, 2]), "nil": b"\xc0",
        "many-keys": pack({f"k{i}": i for i in range(65)}),
        "key-number": b"\x81\x01\x02", "key-list": b"\x81\x90\x02", "key-empty": b"\x81\xa0\x02",
        "key-twice": b"\x82\xa5final\xc2\xa5final\xc3",
        "unknown-twice": b"\x83\xa5final\xc2\xa1z\x01\xa1z\x02",
        "inside-value": b"\x81\xa5final\xdd\x10\x00\x00\x00",
    }  # fmt: skip
    for name, header in lies.items():
        put("wire", f"header-{name}", frames(16, header))
        put("wire", f"header-{name}-result", frames(8, header, *RESULT_BLOBS))
    bad = {
        "n_tokens": [0, 4, 6, 131072, 131073, 2**32 - 1, 2**32 + 5, -1, 5.0, "5", None],
        "n_prompt": [0, 5, 6, 2**32 - 1],
        "spans": [[], [[1, 7]], [[0, 7], [0, 8]], [[0, 7], [3, 8]], [[0]], [0], [[0, 7, 9]],
                  [[0, -1]], [[i, i] for i in range(65)], "no", {"0": 7}],
        "reward": [float("nan"), float("inf"), -float("inf"), 1, -1, 1e308, "1", True],
        "rewards": [[["x", float("nan")]], [["x" * 129, 1.0]], [["", -0.0]], [["x", 1.0]] * 17, [[1, "x"]]],
        "metrics": [[["x", 1.0]] * 32, [["x", 1.0]] * 33],
        "kind": [0, 2, 3, 4, 5], "outcome": [1, 5, 6], "finish": [3], "sample": [4095, 4096],
        "outcome_text": ["", "x" * 1024, "x" * 1025, Raw(b"\xa3\xff\xfe\x00")],
        "blobs": [[], ["tokens"], ["tokens"] * 3, ["a", "b", "c"], ["logprobs", "loss_mask", "tokens"],
                  ["tokens", "loss_mask", "logprobs", "x"], ["x" * 129] * 3, [1, 2, 3], "tokens"],
    }  # fmt: skip
    for key, values in bad.items():
        for i, value in enumerate(values):
            put("wire", f"result-{key}-{i}", changed("result", **{key: value}))
    put("wire", "result-feed", message("result", {**RESULT, "kind": 2, "spans": [], "blobs": ["tokens", "loss_mask"]}, *RESULT_BLOBS[:2]))
    put("wire", "result-failed", message("result", {**RESULT, "outcome": 1, "spans": [], "n_tokens": 0, "n_prompt": 0, "blobs": []}))
    put("wire", "result-behaviour", blobs([*RESULT["blobs"], "logprobs_behaviour"], *RESULT_BLOBS, RESULT_BLOBS[2]))
    put("wire", "blob-empty", blobs(RESULT["blobs"], b"", *RESULT_BLOBS[1:]))
    put("wire", "blob-short", blobs(RESULT["blobs"], RESULT_BLOBS[0][:-1], *RESULT_BLOBS[1:]))
    put("wire", "blob-long", blobs(RESULT["blobs"], RESULT_BLOBS[0] + b"\0" * 4, *RESULT_BLOBS[1:]))
    for i, odd in enumerate([float("nan"), float("inf"), 0.5, -float("inf"), -0.0]):
        put("wire", f"logprob-{i}", blobs(RESULT["blobs"], *RESULT_BLOBS[:2], struct.pack("<3f", -1, odd, -1)))
        put("wire", f"loss-mask-{i}", blobs(RESULT["blobs"], RESULT_BLOBS[0], struct.pack("<5f", 0, 1, odd, 1, 1), RESULT_BLOBS[2]))
    for i in range(1, 10):
        put("wire", f"unaligned-{i}", message("result", {**RESULT, "zz": "x" * i}, *RESULT_BLOBS))
    put("wire", "eleven-frames", blobs([*RESULT["blobs"], *"abcdefg"], *RESULT_BLOBS, *[b"x"] * 7))
    for key, values in {
        "temperature": [F32(-1), F32("nan"), 1e39, 1, 0], "top_p": [F32(1.5), F32(-0.5), 1],
        "prompt": [2**64 - 1], "n_prompts": [0, 2**20, 2**20 + 1], "n_samples": [0, 4097],
        "max_new_tokens": [131073], "kind": [0, 5], "top_k": [2**32],
    }.items():  # fmt: skip
        for i, value in enumerate(values):
            put("wire", f"lease-{key}-{i}", changed("lease", **{key: value}))
    for key, values in {
        "size": [0, 2**64 - 1, 64 << 30, (64 << 30) + 1], "n_chunks": [0, 1, 3, 65536, 65537],
        "chunk_bytes": [0, 1, 4 << 20, (4 << 20) + 1], "base": [2**64 - 1],
        "object": [b"short", HASH + b"x", "text", 0],
    }.items():  # fmt: skip
        for i, value in enumerate(values):
            put("wire", f"manifest-{key}-{i}", changed("manifest", **{key: value}))
    put("wire", "manifest-nothing", message("manifest", {**GOOD["manifest"][0], "size": 0, "n_chunks": 0, "blobs": []}))
    put("wire", "manifest-no-hashes", message("manifest", {**GOOD["manifest"][0], "blobs": []}))
    for i, size in enumerate([0, 2, 4, 4 << 20, (4 << 20) + 1]):
        put("wire", f"chunk-size-{i}", changed("chunk", size=size))
    put("wire", "ack-257", message("ack", {"samples": [[1, 2, 3, 1]] * 257}))
    put("wire", "ack-verdict", message("ack", {"samples": [[1, 2, 3, 0]]}))
    put("wire", "progress-256", message("progress", {"leases": [[2**64 - 1, i] for i in range(256)]}))
    put("wire", "cancel-nested", message("cancel", {"leases": [[1]]}))
    put("wire", "welcome-65-files", changed("welcome", files=[["f", HASH, 1]] * 65))
    put("wire", "welcome-long-name", changed("welcome", files=[["f" * 129, HASH, 1]]))
    put("wire", "bye-final-number", message("bye", {"final": 1}))


# --- envelope --------------------------------------------------------------------------------------


def write_envelope():
    fields = struct.pack("<HIQQ", 8, 3, 0x1122334455667788, 2**64 - 1)

    def encoded(changes, *rest):
        parts = [fields + bytes(changes), *rest]
        return bytes([0x80 | len(parts)]) + frames(0, *parts)[2:]

    def plain(*parts):
        return bytes([len(parts)]) + frames(0, *parts)[2:]

    put("envelope", "good", encoded([], b"header", b"blob"))
    put("envelope", "two-frames", encoded([], b"header"))
    put("envelope", "empty-frames", encoded([], b"", b"", b""))
    put("envelope", "twelve-frames", encoded([], *[b"x"] * 11))
    for place in range(64 + 6):
        put("envelope", f"byte-{place}", encoded([place, 1 << place % 8], b"header", b"blob"))
    put("envelope", "changed-back", encoded([5, 7, 5, 7], b"header"))
    raw = bytearray(64)
    struct.pack_into("<IHHIIQQQQI", raw, 0, 0x59475241, 1, 8, 0, 3, 1, 2, 6, 12345, 2)
    put("envelope", "wrong-checksum", plain(bytes(raw), b"header"))
    raw[4] = 2
    put("envelope", "other-version", plain(bytes(raw), b"header"))
    put("envelope", "zeros", plain(bytes(64), b"header"))
    put("envelope", "none", plain())
    put("envelope", "alone", plain(bytes(raw)))
    put("envelope", "short", plain(bytes(raw)[:63], b"header"))
    put("envelope", "long", plain(bytes(raw) + b"x", b"header"))
    put("envelope", "thirteen-frames", plain(bytes(raw), *[b"x"] * 12))
    put("envelope", "thirty-frames", plain(*[b"x"] * 30))


# --- journal ---------------------------------------------------------------------------------------

MEND, COUNT = 1, 2


def segment(number, *records, run=5, epoch=1, magic=b"ARGJ", version=1):
    return magic + struct.pack("<IQII", version, run, epoch, number) + b"".join(records)


def record(kind, payload, sequence=0, size=None, zero=0):
    head = struct.pack("<IHHQQ", len(payload) if size is None else size, kind, zero, sequence, 0)
    return head + payload + b"\0" * (-len(payload) % 8)


def journal(name, first, second=b"", flags=MEND | COUNT):
    split = len(first) if second else 0
    put("journal", name, bytes([flags]) + struct.pack("<H", split) + first + second)


def write_journal():
    lease = struct.pack("<5Q6I2f", 1, 2, 3, 4, 5, 1, 1, 16, 0, 512, 30000, 1.0, 0.95)
    result = struct.pack("<II2I", 2, 0, 64, 5) + bytes(64) + b"abcde\0\0\0"
    good = [
        record(1, struct.pack("<QQ", 1, 1000)), record(2, lease), record(3, result),
        *[record(kind, struct.pack("<QQII", 1, 2, 3, 0)) for kind in (4, 5, 6)], record(7, b"a note"),
    ]  # fmt: skip
    whole = segment(1, *good)
    journal("good", whole)
    journal("two-segments", whole, segment(2, *good, epoch=2))
    journal("empty", b"")
    journal("header-only", segment(1))
    journal("zeros", bytes(200), flags=0)
    journal("header-zeros", segment(1) + bytes(200), flags=0)
    journal("unmended", whole, flags=0)
    journal("no-sequences", whole, flags=MEND)
    for cut in (1, 8, 23, 24, 25, 47, 48, 49, len(whole) - 9, len(whole) - 1):
        journal(f"cut-{cut}", whole[:cut])
    journal("cut-then-later", whole[:-1], segment(2, *good))
    journal("second-cut-header", whole, segment(2)[:9])
    journal("magic", segment(1, *good, magic=b"ARGY"))
    journal("version", segment(1, *good, version=2))
    journal("number", segment(7, *good))
    journal("run-changes", whole, segment(2, *good, run=6))
    journal("epoch-falls", segment(1, *good, epoch=9), segment(2, *good))
    journal("unknown-type", segment(1, record(99, b"what"), *good))
    journal("type-0", segment(1, record(0, b"what"), *good))
    journal("reserved-not-0", segment(1, record(7, b"what", zero=1), *good))
    for size in (9, 1 << 16, 16 << 20, (16 << 20) + 4096, (16 << 20) + 4097, 2**31, 2**32 - 1, 2**32 - 7):
        journal(f"size-{size}", segment(1, good[0], record(7, b"whatever", size=size), *good))
    for kind, least in ((1, 16), (2, 72), (4, 24), (3, 8)):
        for size in (0, 1, least - 1, least, least + 3):
            journal(f"payload-{kind}-{size}", segment(1, record(kind, bytes(size)), good[6]))
    for i, head in enumerate([(13, 0, 1), (2**32 - 1, 0, 1), (2, 0, 2**32 - 1, 8), (2, 0, 64, 2**32 - 3), (0, 0), (1, 0, 64), (12, 0), (2, 0, 64, 6), (2, 0, 65, 5)]):
        payload = struct.pack(f"<{len(head)}I", *head) + result[16:]
        journal(f"result-{i}", segment(1, record(3, payload)))
    journal("note-long", segment(1, record(7, b"x" * 5000)))
    damaged = bytearray(whole)
    damaged[30] ^= 0x40
    journal("damage-in-the-middle", bytes(damaged))
    journal("sequence-gap", segment(1, record(7, b"a", 1), record(7, b"b", 3)), flags=MEND)
    journal("sequence-repeats", segment(1, record(7, b"a", 1), record(7, b"b", 1)), flags=MEND)
    journal("sequence-max", segment(1, record(7, b"a", 2**64 - 1)), flags=MEND)
    looks = b"".join(record(7, b"", 2, size=65000) for _ in range(900)) + bytes(60000)
    journal("looks-like-records", (segment(1) + b"\1" * 24 + looks)[:64000], flags=0)


# --- object ----------------------------------------------------------------------------------------

NEXT, MANIFEST, FORGED, ODD, CHUNK, CHUNK_FORGED, CHUNK_ODD = range(7)


def write_object():
    def run(name, *operations, bound=4):
        put("object", name, bytes([bound]) + b"".join(bytes(o) for o in operations))

    def next_(ms=10):
        return [NEXT, *struct.pack("<H", ms)]

    run("good", next_(), [MANIFEST], next_(), [CHUNK, 0], [CHUNK, 1], next_())
    run("backwards", [MANIFEST], [CHUNK, 1], [CHUNK, 0])
    run("twice", [MANIFEST], [MANIFEST], [CHUNK, 1], [CHUNK, 1], [CHUNK, 0], [CHUNK, 0], [MANIFEST])
    run("no-manifest", [CHUNK, 0], [CHUNK, 1])
    run("bound", [MANIFEST], [CHUNK, 0], [CHUNK, 1], bound=2)
    run("bound-0", [MANIFEST], [CHUNK, 0], bound=0)
    run("forged", [FORGED], [CHUNK, 0], [CHUNK_FORGED, 1], next_(), [MANIFEST], [CHUNK, 0], [CHUNK, 1])
    run("forged-first-last", [FORGED], [CHUNK_FORGED, 1], [CHUNK_FORGED, 0], next_(), [MANIFEST])
    run("wrong-chunk", [MANIFEST], [CHUNK_FORGED, 1], [CHUNK, 0], [CHUNK, 1])
    run("never-answered", *[next_(9000)] * 20)
    run("chunks-lost", [MANIFEST], *[next_(3000)] * 10, [CHUNK, 1], *[next_(9000)] * 4, [CHUNK, 0])
    for i, (number, size) in enumerate([(0, 0), (0, 5), (1, 99), (2, 100), (2**32 - 1, 100), (1, 2**32 - 1)]):
        run(f"odd-chunk-{i}", [MANIFEST], [CHUNK_ODD, i, *struct.pack("<II", number, size)], [CHUNK, 0], [CHUNK, 1])
    for i, size in enumerate([0, 1, (1 << 20) + 101, 2 << 20, (2 << 20) + 1, 2**63, 2**64 - 1]):
        run(f"odd-size-{i}", [ODD, 1, *struct.pack("<Q", size)], [CHUNK, 0], [CHUNK, 1], bound=255)
    for i, count in enumerate([0, 1, 3, 2**32 - 1]):
        run(f"odd-count-{i}", [ODD, 2, *struct.pack("<I", count)], [CHUNK, 0], [CHUNK, 1])
    for i, size in enumerate([0, 1, (1 << 20) - 1, 2**32 - 1]):
        run(f"odd-chunk-bytes-{i}", [ODD, 4, *struct.pack("<I", size)], [CHUNK, 0])
    run("delta", [ODD, 8, *struct.pack("<Q", 3)], [CHUNK, 0])
    run("no-hashes", [ODD, 16], [CHUNK, 0], [CHUNK, 1])
    run("other-object", [ODD, 32, 7], [CHUNK, 0])


# --- wire_bounds -----------------------------------------------------------------------------------


def write_wire_bounds():
    nested = {"a": [1, {"b": [None, -1.5, HASH]}], "c": "text"}
    whole = pack(nested)
    for n in range(len(whole) + 1):
        put("wire_bounds", f"cut-{n:02}", whole[:n])
    for tag in range(0xC0, 0xE0):  # each tag with lengths of ones, and with nothing behind it
        put("wire_bounds", f"tag-{tag:02x}", bytes([tag]) + b"\xff" * 9)
        put("wire_bounds", f"tag-{tag:02x}-alone", bytes([tag]))
    for title, item in {
        "array-of-2-28": b"\xdd\x10\0\0\0",
        "arrays-of-2-28": b"\xdd\x10\0\0\0" * 32,
        "map-of-2-31": b"\xdf\x80\0\0\0" + b"\xc0" * 64,
        "deep": b"\x91" * 6 + b"\xc0",
        "too-deep": b"\x91" * 7 + b"\xc0",
        "far-too-deep": b"\x91" * 4096 + b"\xc0",
        "values-8192": b"\xdc\x1f\xff" + b"\xc0" * 8191,
        "values-8193": b"\xdc\x20\x00" + b"\xc0" * 8192,
        "values-over-in-lists": b"\xdc\x10\x00" + b"\x92\xc0\xc0" * 4096,
        "two-values": b"\xc0\xc0",
    }.items():
        put("wire_bounds", title, item)


# --- a model's files -------------------------------------------------------------------------------

LLAMA = {
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 172, "num_hidden_layers": 5,
    "max_position_embeddings": 512, "num_attention_heads": 8, "vocab_size": 512,
}  # fmt: skip
LLAMA3 = {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4}
YARN = {"type": "yarn", "factor": 4, "original_max_position_embeddings": 128}
FP8 = {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]}


def write_configs():
    for title, keys in {
        "linear": {"rope_scaling": {"type": "linear", "factor": 2}},
        "llama3": {"rope_scaling": LLAMA3, "rope_theta": 500000},
        "llama3-one-length": {"rope_scaling": {**LLAMA3, "original_max_position_embeddings": 1}},
        "llama3-factors-equal": {"rope_scaling": {**LLAMA3, "low_freq_factor": 4}},
        "yarn": {"rope_scaling": YARN},
        "yarn-parameters": {"rope_parameters": {**YARN, "rope_type": "yarn", "rope_theta": 1e6}},
        "yarn-factor-null": {"rope_scaling": {**YARN, "factor": None}},
        "yarn-factor-max": {"rope_scaling": {**YARN, "factor": 1e6}},
        "yarn-length-1": {"rope_scaling": {**YARN, "original_max_position_embeddings": 1}},
        "yarn-length-real": {"rope_scaling": {**YARN, "original_max_position_embeddings": 1.5}},
        "yarn-theta-1": {"rope_scaling": YARN, "rope_theta": 1},
        "yarn-theta-just-over-1": {"rope_scaling": YARN, "rope_theta": 1.0000000000000002},
        "yarn-betas-equal": {"rope_scaling": {**YARN, "beta_fast": 1e-3, "beta_slow": 1e-3}},
        "yarn-fractions": {"rope_scaling": {**YARN, "truncate": False, "beta_fast": 1e6}},
        "yarn-magnitudes": {"rope_scaling": {**YARN, "mscale": 100, "mscale_all_dim": 1e-300}},
        "two-ropes": {"rope_scaling": YARN, "rope_parameters": {"rope_type": "default"}},
        "window-whole": {"sliding_window": 512},
        "window-text": {"sliding_window": "512"},
        "mistral": {"model_type": "mistral", "num_key_value_heads": 4, "sliding_window": None},
        "mistral-implied": {"model_type": "mistral", "num_key_value_heads": 4},
        "fp8": {"quantization_config": FP8},
        "fp8-block": {"quantization_config": {**FP8, "weight_block_size": [128, 2**63]}},
        "unknown": {"never_heard_of": 1},
        "unknown-off": {"never_heard_of": [], "nor_of": {}, "nor of this": ""},
    }.items():
        text = json.dumps({**LLAMA, **keys}).encode()
        put("shape", f"{title}.json", text)
    for title, text in {
        "plain": '{"a": 1, "dtype": "float32", "b": [{}, "}"]}',
        "both": '{"torch_dtype":"float16","dtype":"float32"}',
        "pretty": '{\n  "torch_dtype": "bfloat16",\n  "x": {"y": [1, 2]}\n}\n',
        "quantised": '{"quantization_config": {"a": [[{}]]}, "x": 1.5e-3}',
        "quantised-last": '{"x": null ,\t"quantization_config": {"a": "]"} }',
        "quantised-alone": ' {"quantization_config":0} ',
        "empty": "{}",
        "escapes": '{"a\\"b\\\\": "\\\\", "\\u0064type": 3}',
        "nested-dtype": '{"x": {"dtype": "float32"}}',
        "list": "[]",
        "cut": '{"a": [1, 2',
        "zero": '{"a": "\\u0000"}',
    }.items():
        put("export_config", title, text.encode())


def write_tensors():
    """The fuzz target's model in 8 bits, whole and with scales that fit or do not."""
    shapes = {
        "model.embed_tokens.weight": [5, 4], "model.norm.weight": [4],
        "model.layers.0.input_layernorm.weight": [4],
        "model.layers.0.post_attention_layernorm.weight": [4],
        "model.layers.0.self_attn.q_proj.weight": [4, 4],
        "model.layers.0.self_attn.k_proj.weight": [2, 4],
        "model.layers.0.self_attn.v_proj.weight": [2, 4],
        "model.layers.0.self_attn.o_proj.weight": [4, 4],
        "model.layers.0.mlp.gate_proj.weight": [3, 4],
        "model.layers.0.mlp.up_proj.weight": [3, 4],
        "model.layers.0.mlp.down_proj.weight": [4, 3],
    }  # fmt: skip
    scale = "model.layers.0.mlp.up_proj.weight_scale_inv"

    def run(title, extra=(), fill=0x3C):
        header, data = {}, b""
        for name, shape, dtype, content in [
            *((n, s, "F8_E4M3", bytes([fill]) * (s[0] * s[-1] if len(s) > 1 else s[0])) for n, s in shapes.items()),
            *extra,
        ]:
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
            data += content
        text = json.dumps(header).encode()
        put("safetensors", title, struct.pack("<Q", len(text)) + text + data)

    one, two = (f"model-0000{i}-of-00002.safetensors" for i in (1, 2))
    right = {name: two if name == "model.norm.weight" else one for name in shapes}
    first = "model.embed_tokens.weight"
    for title, index in {
        "good": {"metadata": {"total_size": 1}, "weight_map": right},
        "all-in-one": {"weight_map": dict.fromkeys(right, one)},
        "swapped": {"weight_map": {n: one if f == two else two for n, f in right.items()}},
        "one-missing": {"weight_map": {n: f for n, f in right.items() if n != first}},
        "one-more": {"weight_map": {**right, "lm_head.weight": one}},
        "no-file": {"weight_map": {**right, first: "gone.safetensors"}},
        "the-index": {"weight_map": {**right, first: "model.safetensors.index.json"}},
        "up": {"weight_map": {**right, first: "../x.safetensors"}},
        "hidden": {"weight_map": {**right, first: ".safetensors"}},
        "long": {"weight_map": {**right, first: "x" * 5000 + ".safetensors"}},
        "zero": {"weight_map": {**right, first: one + "\0"}},
        "number": {"weight_map": {**right, first: 1}},
        "list": {"weight_map": list(right)},
        "empty": {"weight_map": {}},
        "none": {},
    }.items():
        put("weight_index", title, json.dumps(index).encode())
    put("weight_index", "cut", json.dumps({"weight_map": right}).encode()[:-9])
    run("fp8")
    run("fp8-nan", fill=0x7F)
    run("fp8-scaled", [(scale, [1, 1], "F32", struct.pack("<f", 0.5))])
    run("fp8-scale-bf16", [(scale, [1, 1], "BF16", b"\x80\x3f")])
    run("fp8-scale-infinite", [(scale, [1, 1], "F32", struct.pack("<f", float("inf")))])
    run("fp8-scale-huge", [(scale, [1, 1], "F32", struct.pack("<f", 3e38))])
    run("fp8-scale-flat", [(scale, [1], "F32", struct.pack("<f", 0.5))])
    run("fp8-scale-two", [(scale, [1, 2], "F32", struct.pack("<ff", 0.5, 1))])
    run("fp8-scale-of-nothing", [("lm_head.weight_scale_inv", [1, 1], "F32", b"\0\0\0\0")])
    run("fp8-scale-in-8-bits", [(scale, [1, 1], "F8_E4M3", b"\x3c")])


# --- dataset ---------------------------------------------------------------------------------------

ROWS = {
    "verl": b'{"data_source":"openai/gsm8k","prompt":[{"role":"user","content":"q"}],'
    b'"reward_model":{"ground_truth":"7"}}',
    "verl-object": b'{"data_source":"countdown","prompt":[{"role":"user","content":"q"}],'
    b'"reward_model":{"ground_truth":{"target":9,"numbers":[4,5]}}}',
    "rlvr": b'{"messages":[{"role":"user","content":"q"}],"ground_truth":[1],"dataset":"math"}',
    "messages": b'{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"r"}]}',
    "sharegpt": b'{"conversations":[{"from":"human","value":"q"},{"from":"gpt","value":"r"}]}',
    "humaneval": b'{"prompt":"def f():","test":"t","entry_point":"f"}',
    "mbpp": b'{"text":"q","code":"c","test_list":["assert f()"]}',
    "knights": b'{"quiz":"q","names":["A"],"solution":[true],"solution_text_format":"(1) A"}',
    "countdown": b'{"nums":[1,2,3],"target":6}',
    "countdown-far": b'{"nums":[9223372036854775807],"target":-9223372036854775807}',
    "gym": b'{"question":"q","answer":"7","metadata":{"source_dataset":"gcd"}}',
    "choices": b'{"question":"q","choices":["x","y"],"answer":"B"}',
    "choices-far": b'{"question":"q","choices":["x","y"],"answer":9223372036854775807}',
    "problem": b'{"problem":"q","solution":"so \\\\boxed{4}","level":"Level 5"}',
    "gsm8k": b'{"question":"q of 1,000 or \\\\frac12","answer":"6*3\\n#### 18"}',
    "label": b'{"prompt":"q","label":3.0,"metadata":{"level":2}}',
    "completion": b'{"prompt":"q","completion":[{"role":"assistant","content":"r"}]}',
    "answer": b'{"prompt":"q","answer":1e400}',
    "text": b'{"text":"once upon a time"}',
    "no-turns": b'{"messages":[]}',
    "null": b'{"problem":"q","answer":null}',
    "zero": b'{"prompt":"a\\u0000b","answer":1}',
    "deep": b'{"prompt":' + b"[" * 3000,
}


def write_dataset():
    for title, row in ROWS.items():
        for flags in (0, 1 | 2, 32):
            put("dataset", f"{title}-{flags}", bytes([flags]) + row + b"\n" + row)
    rows = b"\r\n".join([ROWS["gsm8k"], b"", b'{"question":', ROWS["gsm8k"]])
    many = b"\n".join(b'{"prompt":"q","answer":%d}' % i + b"\n" * (i % 3) for i in range(70))
    for flags in range(0, 128, 5):
        put("dataset", f"flags-{flags:03}", bytes([flags]) + many + b"\x01" + rows)
    for title, content in {
        "nothing": b"",
        "blank": b"\n \r\n\t",
        "mark": b"\xef\xbb\xbf" + ROWS["answer"],
        "nul": b"{\0}\n" + ROWS["answer"],
        "latin": b'{"prompt":"\xe9","answer":1}\n',
        "array": b"[{}]",
        "parquet": b"PAR1\x15\x04",
        "mixed": ROWS["answer"] + b"\n" + ROWS["gym"],
        "asy": b'{"text":"' + b"[asy]" * 500 + b'"}',
    }.items():
        for flags in (0, 2, 3):
            put("dataset", f"{title}-{flags}", bytes([flags]) + content)


MATH = {
    "tower": "2^{2^{2^{2^{2^{2}}}}}", "factorials": "9!!!!!!!!!!!!", "big-factorial": "99999999!",
    "open": "(" * 400, "shut": ")" * 400, "braces": "{" * 400 + "5" + "}" * 400, "bars": "|" * 301,
    "fractions": "\\frac{1}{" * 200 + "2" + "}" * 200, "roots": "\\sqrt{2+" * 90 + "2" + "}" * 90,
    "minuses": "-" * 2000 + "5", "exponents": "x^" * 500 + "2", "indices": "x_" * 500 + "2",
    "sines": "\\sin " * 300 + "x", "signs": "\\pm 1" * 100, "sets": "\\{" * 200 + "\\}" * 200,
    "digits": "9" * 4000, "decimal": "0." + "3" * 4000, "exponent": "1e99999", "tiny": "1e-99999",
    "repeated": "0.\\overline{" + "142857" * 6 + "}", "groups": "1,234" * 300, "commas": "," * 1000,
    "polynomial": "+".join(f"{i}x^{{{i}}}" for i in range(300)), "powers": "(x+1)^{9999999999}",
    "nul": "5\0", "rtl": "\u202e5\u202d", "format": "%s%n%d", "latin": "\udcff\udcfe5",
    "matrix": "\\begin{pmatrix}" + "1&2\\\\" * 300 + "\\end{pmatrix}", "begin": "\\begin{pmatrix}" * 90,
    "unions": "[1,2)\\cup " * 250 + "[3,4)", "ratio": "1:2:3:4:5", "gamma": "(x+1)!" * 40,
    "binomials": "\\binom{" * 40 + "9}{2}" * 40, "base": "zz_{36}", "empty": "", "blank": " \t ",
    "log": "\\log_{10}" * 60 + "7", "zero": "\\frac{1}{\\sqrt{2}\\sqrt{2}-2}", "text": "\\text{" * 300,
}  # fmt: skip


def write_math():
    for name, text in MATH.items():
        put("math", name, f"5\n{text}".encode(errors="surrogateescape"))
        put("math", f"{name}-both", f"{text}\n{text}+0".encode(errors="surrogateescape"))
    cases = (ROOT.parent.parent / "golden/math_cases.jsonl").read_text().splitlines()
    for number, line in enumerate(cases[::9]):
        case = json.loads(line)
        put("math", f"case-{number:03}", f"{case['gold']}\n{case['pred']}".encode())


# --- graders ---------------------------------------------------------------------------------------

COUNTDOWN = '{"numbers":[3,8,3,8],"target":24}'
KNIGHTS = '{"names":["Zoey","Zoey Bo","Éva"],"solution":[true,false,true]}'
CHOICES = '{"choices":["Rome","Paris","A","b.","\u0000"]}'
GRADED = {  # metadata, reference, answer
    "countdown": (COUNTDOWN, "", "8/(3-8/3) = 24"),
    "countdown-latex": (COUNTDOWN, "", "$\\frac{8}{3 - \\left(\\frac{8}{3}\\right)}$"),
    "countdown-fraction-cut": (COUNTDOWN, "", "\\frac{8}{3 - \\frac{8}"),
    "countdown-fraction-bracket": (COUNTDOWN, "", "\\frac{8)}(3]"),
    "countdown-deep": (COUNTDOWN, "", "(" * 64 + "8" + ")" * 64),
    "countdown-too-deep": (COUNTDOWN, "", "([{" * 22 + "8"),
    "countdown-fractions-deep": (COUNTDOWN, "", "\\frac{" * 33),
    "countdown-signs": (COUNTDOWN, "", "-+" * 100 + "8"),
    "countdown-overflow": (COUNTDOWN, "", "9223372036854775807 + 1"),
    "countdown-least": (COUNTDOWN, "", "-9223372036854775807 - 1"),
    "countdown-many": (COUNTDOWN, "", "+".join("8" * 17)),
    "countdown-rule": ('{"nums":[1e3,-9223372036854775808],"target":true}', "", "1"),
    "number": ("", "1,234.50", "x = $1,234.5$"),
    "number-exponent": ("", "0.1", "1e-40"),
    "number-fraction": ("", "-1/2", "-\\dfrac{9223372036854775807}{-9223372036854775807}"),
    "number-sign": ("", "1", "=-"),
    "knights": (KNIGHTS, "", "Zoey is a knight, Zoey Bo a knave and éva a knave"),
    "knights-roles": (KNIGHTS, "", "Knights: Zoey, Éva. Knaves: Zoey Bo."),
    "knights-none": (KNIGHTS, "", '{"knights": ["Zoey", "Éva"], "knaves": []}'),
    "knights-text": ("", "(1) Ann is a saint, and Bo is a sinner.", "saints: Ann sinners: Bo"),
    "knights-text-same": ("", "a is a knight a is a knave", "a knight"),
    "knights-many": ("", " ".join(f"p{i} is a knight" for i in range(40)), "p1 knight"),
    "knights-terms": (KNIGHTS[:-1] + ',"knight_knave_terms":{"knight":"","knave":"x"}}', "", "Zoey"),
    "choice": (CHOICES, "B", "The answer is **(B) Paris**."),
    "choice-text": (CHOICES, "paris", "\\boxed{\\text{Paris.}}"),
    "choice-several": (CHOICES, "A", "A or (B), C; not D/E & F"),
    "choice-peeled": ("", "(C)", "$" * 41 + "C" + "$" * 41),
    "choice-map": ('{"options":{"J":"x"}}', "J", "J"),
    "primes": ('{"factors":[2,2,3]}', "", "12 = 2² × 3."),
    "primes-powers": ("", "2^2 * 3^{1}", "2**63 * 2^64"),
    "primes-brackets": ("", "[2, 3)", "(2 x 3]"),
    "bytes": ("\udcff", "\udcfe\0", "\udc80(\udc81) is a \udcff"),
    "empty": ("", "", ""),
}  # fmt: skip


def write_graders():
    for name, parts in GRADED.items():
        put("grader", name, b"\1".join(p.encode(errors="surrogateescape") for p in parts))



# --- rows to score: the list of components is chosen by the row's length ---------------------------

SCORED = [
    {"response": "<think>one 一 two</think><answer>\\boxed{4}</answer>", "ground_truth": "4", "prompt": "几 個?"},
    {"response": "<think>\na a a a\n</think>\n<answer>\n4\n</answer>\nx", "answer": "2+2\n#### 4", "n_tokens": 63},
    {"pred": "\\frac{1}{2}", "gold": 0.5, "id": "x"},
    {"response": "$a `b` \\(c\\) \\[d $$e$$ ```f <think", "gold": [1, {"a": None}], "finish_reason": "length"},
    {"output": "1+2*3", "metadata": {"source_dataset": "countdown", "numbers": [1, 2, 3], "target": 7}, "index": [3]},
    {"response": "", "reward_model": {"ground_truth": ""}, "data_source": "openai/gsm8k", "n_tokens": -1},
    {"completion": "好好好 まず \u00e9\u0301 don\u2019t '", "label": True, "problem": [{"role": "user", "content": "q"}], "level": "Level 3"},
    {"response": "\u0000 \u202e \ufeff", "solution": "\\boxed{\\boxed{}}", "prompt": [1]},
    {"response": 4}, {}, [], "x",
]  # fmt: skip


def write_scores():
    """Each row with as many spaces behind it as there are lists."""
    for n, row in enumerate(SCORED):
        for spaces in range(4):
            put("score", f"{n}-{spaces}", json.dumps(row, ensure_ascii=n % 2 == 0).encode() + b" " * spaces)
    put("score", "cut", b'{"response":"\\ud800","gold":"1"')
    put("score", "bytes", b'{"response":"\xff","gold":"1"}')


# --- code tests ------------------------------------------------------------------------------------


def write_code_tests():
    """Row, response, output, with a zero byte between."""
    rows = {
        "check": {"prompt": "def f(x):\n", "entry_point": "f", "test": "def check(c):\n    assert c(1)"},
        "asserts": {"test_list": ["assert f(1) == 1"], "test_setup_code": ""},
        "stdio": {"inputs": ["1\n", ["2", "3"]], "outputs": ["1", ["5"]], "time_limit": 2},
        "calls": {"input_output": json.dumps({"fn_name": "f", "inputs": [[1]], "outputs": [2]})},
        "cases": {"tests": [{"input": "1", "output": "2", "testtype": "functional"}], "fn_name": "f"},
        "verl": {"reward_model": {"ground_truth": json.dumps({"inputs": ["1"], "outputs": ["2"]})}},
        "uneven": {"inputs": ["1"], "outputs": []},
        "not_text": {"inputs": [1], "outputs": [{}]},
        "none": {"question": "1+1"},
    }
    fenced = "<think>a</think>\n```python\ndef f(x):\n    return x\n```\n"
    responses = [fenced, "    return x", "```", "<answer>```py\na"]
    outputs = ["1 2\n\n3.50", "1e400 .e- 0x1 nan", "", "\r\n \t"]
    for n, (name, row) in enumerate(rows.items()):
        parts = [json.dumps(row), responses[n % 4], outputs[n % 4]]
        put("code_tests", name, "\0".join(parts).encode())
    put("code_tests", "gold", b"\0assert f(1) == 1\0")
    put("code_tests", "deep", b'{"tests":' + b"[" * 3000 + b"]" * 3000 + b"}\0\0")


# --- tokenizers and templates: the input's layout is in fuzz_tokenizer.c and fuzz_template.c -------


def write_tokenizers():
    golden = ROOT.parent.parent / "golden/tokenizers"
    for name in ("llama2-flags", "deepseek2", "unknown", "flags"):
        put("tokenizer", f"golden-{name}.json", (golden / f"{name}.json").read_bytes())
    bpe = {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, " ": 3}, "merges": [["a", "b"]]}
    words = {"type": "WordLevel", "vocab": {"a": 0, "b": 1}, "unk_token": "a"}
    replace = {"type": "Replace", "pattern": {"String": "a"}, "content": "b" * 200}
    strip = {"type": "Strip", "content": "a", "start": 3, "stop": 2}
    back = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 16}
    parts = {
        "grows": {"normalizer": {"type": "Sequence", "normalizers": [replace | {"pattern": {"Regex": "."}}] * 9}},
        "prepends": {"normalizer": {"type": "Prepend", "prepend": "ab " * 300}},
        "forms": {"normalizer": {"type": "Sequence", "normalizers": [{"type": t} for t in ("NFD", "NFKC", "NFKD", "NFC")]}},
        "behaviors": {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": r}, "behavior": b, "invert": i}
            for r, b, i in (("a", "MergedWithNext", False), ("[b ]+", "Contiguous", True), ("\\w+", "MergedWithPrevious", True), ("\\s", "Removed", False))]}},
        "metaspace": {"pre_tokenizer": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first"}, "decoder": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first"}},
        "decoders": {"decoder": {"type": "Sequence", "decoders": [back, back, {"type": "ByteFallback"}, {"type": "Fuse"}, strip | {"stop": 0}]}},
        "strips": {"decoder": {"type": "Sequence", "decoders": [strip, {"type": "Metaspace", "replacement": "a"}]}},
        "added": {"added_tokens": [{"id": i, "content": c, "lstrip": True, "rstrip": True, "single_word": i % 2 == 0, "normalized": i % 3 == 0, "special": i > 3} for i, c in enumerate(["a", "aa", "ab", "a ", " ", "\u00e9", "x'll"])]},
        "template": {"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "a"}}, {"Sequence": {"id": "A"}}], "special_tokens": {"a": {"ids": [0, 1, 99]}}}},
        "fallback": {"model": bpe | {"byte_fallback": True, "unk_token": "ab", "vocab": bpe["vocab"] | {f"<0x{b:02X}>": 9 + b for b in range(128, 256)}}},
        "unknown": {"model": bpe | {"unk_token": "ab", "fuse_unk": False}},
        "self-merge": {"model": bpe | {"merges": [["a", "b"], ["a", "b"], ["a", "a"]]}},
    }
    for name, part in parts.items():
        put("tokenizer", f"{name}.json", json.dumps({"model": bpe} | part).encode())
        put("tokenizer", f"{name}-words.json", json.dumps({"model": words} | part).encode())


def write_templates():
    chatml = "{% for m in messages %}{{'<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>'}}{% endfor %}"
    system = "{{- '<|im_start|>system\\nBe \\'x\\'.<|im_end|>\\n' }}{{ 'Be \\'x\\'.' }}"
    for name, text in {
        "chatml": chatml, "system": system, "set": "{% set system_message = 'a' %}{{ 'a' }}{{ system_message }}",
        "space": " \n {%- if a -%} \r\n {% endif +%}\n\n{# c -#}  x  {{- b -}} ", "open": "{{ 'a", "deep": "{{" * 500,
        "members": "{{ a[ 'b' ][\"c\"][0]['d e']['f'] }}", "empty": "", "ends": "{%%}{{}}{##}}}%}#}",
    }.items():
        put("template", f"jinja-{name}", b"j" + text.encode())
    put("template", "config.json", json.dumps({"chat_template": chatml, "bos_token": {"content": "<s>"}}).encode())
    put("template", "config-list.json", json.dumps({"chat_template": [{"name": "x"}, {"name": "default", "template": chatml}]}).encode())
    put("template", "config-odd.json", b'{"chat_template":[[],{"name":1}],"bos_token":[]}')
    for n, turns in enumerate(
        [["uq"], ["ss", "uq", "aa", "uq"], ["uq", "a<think>\nt\n</think>\n\nb"], ["a</think></think>", "u"], ["sone", "stwo"],
         ["tresult"], ["u<tool_response>x</tool_response>", "a\n\n<think></think>\n"], ["u \u3000\n", "a\u00a0 x \x1f"], ["a"] * 9, [""]]
    ):
        put("template", f"turns-{n}", b"c" + "\0".join(turns).encode())
    for n, text in enumerate(["{prompt}", "{prompt}{prompt}", "auto", "qwen3", "%s%n", ""]):
        put("template", f"recipe-{n}", b"r" + text.encode())


write_tokenizers()
write_templates()
write_math()
write_graders()
write_wire()
write_wire_bounds()
write_dataset()
write_configs()
write_tensors()
write_envelope()
write_journal()
write_object()
write_code_tests()
write_scores()
