#!/usr/bin/env python3
"""Makes tests/golden/ with transformers: what the unit tests compare with.

usage: make_goldens.py [OUT] [--stories FOLDER]

Tiny random models of each family and rope scaling, each a Hugging Face folder
plus golden.json and golden.bin (little-endian fp32): logits, the loss and
every gradient; of the first three also the parameters after one AdamW step,
and the losses of ten steps.  Weights are rounded to bf16 first, so that both
sides start from the same numbers; the ten steps keep fp32 masters and compute
with their rounding, as the learner does.  rope.json has the turns of pairs and
the magnitude for configs of real sizes.  fp8 is a model in F8_E4M3 with scales
for blocks, and what torch makes of it.  With --stories, also the greedy ids of
stories260K.
Needs torch, transformers.
"""
import argparse
import json
import pathlib
import shutil

import numpy
import safetensors.torch
import torch
import transformers

LENGTHS = [41, 22]  # the first is longer than a page of 32
STEPS, LR, BETAS, EPS, DECAY = 10, 3e-3, (0.9, 0.95), 1e-8, 0.1
SMALL = dict(
    vocab_size=36,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    use_cache=False,
    pad_token_id=None,
    bos_token_id=None,
    eos_token_id=None,
)


LLAMA3_ROPE = dict(rope_type="llama3", rope_theta=50.0, factor=4.0, low_freq_factor=1.0,
                   high_freq_factor=3.0, original_max_position_embeddings=16)  # fmt: skip
YARN_ROPE = dict(rope_type="yarn", rope_theta=100.0, factor=4.0, beta_fast=4.0, beta_slow=0.5,
                 original_max_position_embeddings=16)  # fmt: skip
LINEAR_ROPE = dict(rope_type="linear", rope_theta=100.0, factor=2.5)


def make_trained():
    """The families that are trained for ten steps as well."""
    qwen3 = transformers.Qwen3Config(
        **SMALL, head_dim=10, rms_norm_eps=1e-6, rope_theta=1e4, tie_word_embeddings=False
    )
    qwen2 = transformers.Qwen2Config(
        **SMALL, rms_norm_eps=1e-6, rope_theta=1e3, tie_word_embeddings=False
    )
    llama = transformers.LlamaConfig(
        **SMALL, rms_norm_eps=1e-5, rope_theta=5e2, tie_word_embeddings=True
    )
    yield "qwen3", transformers.Qwen3ForCausalLM(qwen3)
    yield "qwen2", transformers.Qwen2ForCausalLM(qwen2)
    yield "llama", transformers.LlamaForCausalLM(llama)


def make_compared():
    """What differs from those in one thing: logits and gradients only."""
    wide = {**SMALL, "num_attention_heads": 2, "num_key_value_heads": 1}  # heads of 8: four pairs
    one = {**wide, "num_hidden_layers": 1}
    yield "llama31", transformers.LlamaForCausalLM(
        transformers.LlamaConfig(**wide, head_dim=12, rope_parameters=LLAMA3_ROPE)
    )
    yield "qwen2_tied", transformers.Qwen2ForCausalLM(
        transformers.Qwen2Config(**one, tie_word_embeddings=True)
    )
    yield "mistral", transformers.MistralForCausalLM(
        transformers.MistralConfig(**one, head_dim=12, sliding_window=None, rms_norm_eps=1e-5)
    )
    yield "yarn", transformers.Qwen2ForCausalLM(
        transformers.Qwen2Config(**wide, rope_parameters=YARN_ROPE)
    )
    yield "linear", transformers.LlamaForCausalLM(
        transformers.LlamaConfig(**one, head_dim=12, rope_parameters=LINEAR_ROPE)
    )


# Configs as published, by the keys that decide on their rope.
ROPES = [
    dict(head_dim=64, rope_theta=1e6),
    dict(head_dim=128, rope_theta=10000.0, rope_scaling=dict(type="linear", factor=8.0)),
    dict(head_dim=128, rope_theta=500000.0, rope_scaling=dict(
        rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=8192)),
    dict(head_dim=64, rope_theta=500000.0, rope_scaling=dict(
        rope_type="llama3", factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=8192)),
    dict(head_dim=128, rope_theta=1000000.0, rope_scaling=dict(
        type="yarn", factor=4.0, original_max_position_embeddings=32768)),
    dict(head_dim=64, rope_theta=10000.0, rope_scaling=dict(
        type="yarn", factor=40, beta_fast=32, beta_slow=1, mscale=1.0, mscale_all_dim=0.707,
        original_max_position_embeddings=4096)),
    dict(head_dim=64, rope_parameters=dict(
        rope_type="yarn", rope_theta=150000.0, factor=32.0, truncate=False, attention_factor=1.25,
        original_max_position_embeddings=4096)),
    dict(head_dim=80, rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=2.0)),
]  # fmt: skip


def make_ropes(out):
    """The turns that transformers computes for ROPES."""
    cases = []
    for keys in ROPES:
        keys = dict(model_type="llama", hidden_size=256, num_attention_heads=2, vocab_size=9,
                    num_hidden_layers=1, intermediate_size=8, max_position_embeddings=2048,
                    **keys)  # fmt: skip
        text = json.dumps(keys)
        config = transformers.LlamaConfig(**keys)
        rope = transformers.models.llama.modeling_llama.LlamaRotaryEmbedding(config)
        cases.append({"config": text, "turns": [float(f"{turn:.8g}") for turn in rope.inv_freq],
                      "magnitude": rope.attention_scaling})  # fmt: skip
    (out / "rope.json").write_text(json.dumps({"cases": cases}) + "\n")


def randomise(model, generator):
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if p.dim() == 2:
                p.copy_(noise * (0.6 if "embed" in name else 1.3 * p.shape[1] ** -0.5))
            else:
                p.copy_(1.0 + 0.2 * noise if "norm" in name else 0.3 * noise)
            p.copy_(p.bfloat16().float())


def loss_and_logits(model, sequences, masks):
    """Mean cross entropy over the unmasked next tokens of both sequences."""
    total, count, all_logits = 0.0, 0, []
    for tokens, mask in zip(sequences, masks):
        logits = model(torch.tensor([tokens])).logits[0]
        logprobs = torch.log_softmax(logits[:-1], -1)
        picked = logprobs.gather(1, torch.tensor(tokens[1:])[:, None])[:, 0]
        keep = torch.tensor(mask[1:], dtype=torch.float32)
        total = total - (picked * keep).sum()
        count += int(keep.sum())
        all_logits.append(logits)
    return total / count, torch.cat(all_logits)


def train(model, sequences, masks):
    """Ten steps; returns the losses and the parameters after the first."""
    named = dict(model.named_parameters())
    masters = {n: p.detach().clone().requires_grad_() for n, p in named.items()}
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in masters.values() if p.dim() == 2], "weight_decay": DECAY},
            {"params": [p for p in masters.values() if p.dim() == 1], "weight_decay": 0.0},
        ],
        lr=LR, betas=BETAS, eps=EPS, foreach=False,
    )  # fmt: skip
    losses, first = [], None
    for _ in range(STEPS):
        with torch.no_grad():
            for n, p in named.items():
                p.copy_(masters[n].bfloat16().float())
        model.zero_grad()
        loss, _ = loss_and_logits(model, sequences, masks)
        loss.backward()
        for n, p in named.items():
            masters[n].grad = p.grad.clone()
        optimizer.step()
        losses.append(loss.item())
        if first is None:
            first = {n: p.detach().clone() for n, p in masters.items()}
    return losses, first


def make_folder(out, name, model, generator, is_trained):
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    randomise(model, generator)
    model.eval()
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    vocabulary = SMALL["vocab_size"]
    sequences = [
        torch.randint(0, vocabulary, (n,), generator=generator).tolist() for n in LENGTHS
    ]
    masks = [(torch.rand(n, generator=generator) < 0.8).int().tolist() for n in LENGTHS]

    loss, logits = loss_and_logits(model, sequences, masks)
    loss.backward()
    arrays = [("logits", logits.detach())]
    arrays += [("grad." + n, p.grad.clone()) for n, p in model.named_parameters()]
    losses, first = train(model, sequences, masks) if is_trained else ([], {})
    arrays += [("step1." + n, p) for n, p in first.items()]

    index, blob = [], b""
    for key, value in arrays:
        data = value.numpy().astype("<f4").tobytes()
        index.append({"name": key, "offset": len(blob) // 4, "count": len(data) // 4})
        blob += data
    golden = {
        "sequences": sequences,
        "masks": masks,
        "loss": loss.item(),
        "losses": losses,
        "lr": LR,
        "beta1": BETAS[0],
        "beta2": BETAS[1],
        "eps": EPS,
        "weight_decay": DECAY,
        "arrays": index,
    }
    (folder / "golden.bin").write_bytes(blob)
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")


def make_fp8(out):
    """A model as DeepSeek quantises it, and what torch makes of it in bf16."""
    config = transformers.Qwen2Config(**{**SMALL, "intermediate_size": 130,
                                         "num_hidden_layers": 1})  # fmt: skip
    model = transformers.Qwen2ForCausalLM(config)
    generator = torch.Generator().manual_seed(21)
    randomise(model, generator)
    stored, plain = {}, {}
    for name, p in model.state_dict().items():
        stored[name] = plain[name] = p.bfloat16()
        if p.dim() != 2 or "proj" not in name:
            continue
        blocks = [(n + 127) // 128 for n in p.shape]
        scales = torch.rand(blocks, generator=generator) * 0.02 + 1e-3
        each = scales.repeat_interleave(128, 0).repeat_interleave(128, 1)
        each = each[: p.shape[0], : p.shape[1]]
        stored[name] = (p / each).clamp(-448, 448).to(torch.float8_e4m3fn)
        stored[name + "_scale_inv"] = scales
        plain[name] = (stored[name].float() * each).bfloat16()
    folder = out / "fp8"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "plain").mkdir(parents=True)
    config.architectures = ["Qwen2ForCausalLM"]
    config.save_pretrained(folder / "plain")
    config.quantization_config = {
        "activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8",
        "modules_to_not_convert": ["lm_head"], "weight_block_size": [128, 128],
    }  # fmt: skip
    config.save_pretrained(folder)
    safetensors.torch.save_file(stored, folder / "model.safetensors")
    safetensors.torch.save_file(plain, folder / "plain" / "model.safetensors")


def make_stories(out, source):
    """Greedy ids of stories260K with weights rounded to bf16, from a few prompts."""
    model = transformers.AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p.bfloat16().float())
    cases = []
    for prompt in ([1], [1, 403], [1, 346, 311, 290], [1] + list(range(260, 300))):
        ids, margin = list(prompt), numpy.inf
        with torch.no_grad():
            for _ in range(120):
                top = model(torch.tensor([ids])).logits[0, -1].topk(2)
                margin = min(margin, (top.values[0] - top.values[1]).item())
                ids.append(int(top.indices[0]))
        cases.append({"prompt": prompt, "greedy": ids[len(prompt) :], "margin": margin})
    (out / "stories260K.json").write_text(json.dumps({"cases": cases}) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", nargs="?", default="tests/golden", type=pathlib.Path)
    parser.add_argument("--stories", metavar="FOLDER", help="folder of the stories260K model")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(20)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, model in make_trained():
        make_folder(arguments.out, name, model, generator, True)
    for name, model in make_compared():
        make_folder(arguments.out, name, model, generator, False)
    make_ropes(arguments.out)
    make_fp8(arguments.out)
    if arguments.stories:
        make_stories(arguments.out, arguments.stories)


if __name__ == "__main__":
    main()
