#!/usr/bin/env python3
"""Training speed at the shape of Qwen2.5-0.5B, beside PyTorch's.

Runs bench_train qwen2.5-0.5b and the same step in PyTorch (transformers' Qwen2, fp32,
cross entropy of every token, AdamW) in turn, each in a process of its own, and
prints the ratio of the medians.  4 x 256 tokens a step.

    LARGE=1 bench_torch_q500.py [ROUNDS] [THREADS]

It takes 14 GiB and minutes a round: only where LARGE is set.  Without torch and
transformers it says so and does nothing.
"""
import os
import re
import statistics
import subprocess
import sys
import time

BATCH, LENGTH = 4, 256
SHAPE = dict(
    hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14,
    num_key_value_heads=2, vocab_size=151936, max_position_embeddings=256, rms_norm_eps=1e-6,
    rope_theta=1e6, tie_word_embeddings=True,
)  # fmt: skip


def torch_step(threads):
    """The rate of PyTorch's second step: the first one warms up."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model = Qwen2ForCausalLM(Qwen2Config(**SHAPE, attn_implementation="sdpa")).float()
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    tokens = torch.randint(0, SHAPE["vocab_size"], (BATCH, LENGTH))
    for _ in range(2):
        started = time.perf_counter()
        model(input_ids=tokens, labels=tokens, use_cache=False).loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        seconds = time.perf_counter() - started
    print(f"tok/s {BATCH * LENGTH / seconds}")


def run(command, pattern):
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(pattern, done.stdout)
    if found is None:
        sys.exit(f"{command}: {done.stdout} {done.stderr[-2000:]}")
    return float(found.group(1))


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    threads = sys.argv[2] if len(sys.argv) > 2 else str(len(os.sched_getaffinity(0)))
    if rounds == 0:
        return torch_step(int(threads))
    if not os.environ.get("LARGE"):
        print("skipped: it takes 14 GiB; LARGE=1 runs it")
        return
    try:
        import torch
        import transformers  # noqa: F401
    except ImportError as missing:
        print(f"SKIPPED: {missing}")
        return
    bench = os.path.join(os.environ.get("B", "build/release"), "tests/bench/bench_train")
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(run([bench, "qwen2.5-0.5b", "1", threads], r": (\d+) tok/s"))
        theirs.append(run([sys.executable, __file__, "0", threads], r"tok/s ([\d.]+)"))
        print(f"round: argosy {ours[-1]:.1f} tok/s, PyTorch {torch.__version__} {theirs[-1]:.1f} tok/s", flush=True)
    a, b = statistics.median(ours), statistics.median(theirs)
    print(f"train,q500,tokens={BATCH * LENGTH},threads={threads}: argosy {a:.1f} tok/s, PyTorch {b:.1f} tok/s, ratio {a / b:.2f} (n={rounds})")


if __name__ == "__main__":
    main()
