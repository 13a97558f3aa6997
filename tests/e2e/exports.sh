#!/usr/bin/env bash
# Exported folders are opened by transformers, and say what argosy says.
. "$(dirname "$0")/lib.sh"

export TRANSFORMERS_OFFLINE=1 TRANSFORMERS_VERBOSITY=error
if ! python3 -c 'import torch, transformers' 2>"$work/import.log"; then
    tail -n 1 "$work/import.log" >&2
    echo "*** SKIPPED: no transformers here to open exported models with ***"
    exit 77
fi

ids=(3 17 35 0 22 9 9 30 1 14 28 5 11 33 2 19 7 26 31 12 4 16 21 8 34 10 25 6 18 27 13 29 3 3 24)
for name in llama qwen2 qwen3 qwen2_tied mistral llama31 linear yarn fp8; do
    "$tools/model_tool" export "$here/../golden/$name" "$work/$name" 2500 ||
        fail "$name was not exported"
    [ -s "$work/$name/model.safetensors.index.json" ] || fail "$name is not in several files"
    "$tools/model_tool" logits "$work/$name" "${ids[@]}" >"$work/$name.logits" ||
        fail "$name was not opened again"
done

cat >"$work/open.py" <<'END'
import pathlib, sys
import numpy, torch, transformers

transformers.utils.logging.disable_progress_bar()
work, ids = pathlib.Path(sys.argv[1]), [int(i) for i in sys.argv[2:]]
for path in sorted(work.glob("*.logits")):
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        work / path.stem, output_loading_info=True, dtype=torch.float32
    )
    assert not info["missing_keys"] and not info["unexpected_keys"], (path.stem, info)
    stored = transformers.AutoConfig.from_pretrained(work / path.stem).dtype
    assert stored == torch.bfloat16, (path.stem, stored)
    with torch.no_grad():
        want = model(torch.tensor([ids])).logits[0].numpy()
    found = numpy.fromfile(path, "<f4").reshape(want.shape)
    distance = float(abs(found - want).max())
    print(f"{path.stem}: logits differ by {distance:.1e} at most, of {abs(want).max():.1f}")
    assert distance < 1e-4, path.stem
END
python3 "$work/open.py" "$work" "${ids[@]}" || fail "transformers sees other models"
