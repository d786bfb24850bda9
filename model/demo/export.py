"""Writes a training checkpoint as a Hugging Face folder: bf16 safetensors, index and config.json.

The averaged weights are rounded to bf16. Names and shapes are those of the published DeepSeek-V3
checkpoints; the MTP layer follows the last layer and carries copies of embedding and head.
"""

import argparse
import json
import struct
from pathlib import Path

import torch

from network import Config, Moe, Network

FOLDER = Path(__file__).resolve().parent
SHARDS = 2
EXPERT_PARTS = ("gate_proj", "up_proj", "down_proj")


def config_json(c):
    return {
        "architectures": ["DeepseekV3ForCausalLM"], "attention_bias": False,
        "attention_dropout": 0.0, "bos_token_id": 0, "eos_token_id": 1, "ep_size": 1,
        "first_k_dense_replace": c.first_k_dense_replace, "hidden_act": "silu",
        "hidden_size": c.hidden_size, "initializer_range": 0.02,
        "intermediate_size": c.intermediate_size, "kv_lora_rank": c.kv_lora_rank,
        "max_position_embeddings": c.max_position_embeddings, "model_type": "deepseek_v3",
        "moe_intermediate_size": c.moe_intermediate_size, "moe_layer_freq": 1,
        "n_group": c.n_group, "n_routed_experts": c.n_routed_experts,
        "n_shared_experts": c.n_shared_experts, "norm_topk_prob": True,
        "num_attention_heads": c.num_attention_heads,
        "num_experts_per_tok": c.num_experts_per_tok, "num_hidden_layers": c.num_hidden_layers,
        "num_key_value_heads": c.num_attention_heads, "num_nextn_predict_layers": 1,
        "q_lora_rank": c.q_lora_rank, "qk_nope_head_dim": c.qk_nope_head_dim,
        "qk_rope_head_dim": c.qk_rope_head_dim, "rms_norm_eps": c.rms_norm_eps,
        "rope_scaling": None, "rope_theta": int(c.rope_theta),
        "routed_scaling_factor": c.routed_scaling_factor, "scoring_func": "sigmoid",
        "tie_word_embeddings": False, "topk_group": c.topk_group, "topk_method": "noaux_tc",
        "torch_dtype": "bfloat16", "transformers_version": "4.33.1", "use_cache": True,
        "v_head_dim": c.v_head_dim, "vocab_size": c.vocab_size}


def tensor_map(model):
    """Published tensor name -> the model's tensor (a view, so it can be written to as well).

    MTP's embedding and head map to the main model's tensors.
    """
    names = {"model.embed_tokens.weight": model.embed_tokens,
             "model.norm.weight": model.norm.weight, "lm_head.weight": model.lm_head}
    last = len(model.layers)
    mtp = f"model.layers.{last}."
    for index, block in enumerate([*model.layers, model.mtp.block]):
        names.update(block_tensors(f"model.layers.{index}.", block))
    names.update({
        mtp + "embed_tokens.weight": model.embed_tokens,
        mtp + "enorm.weight": model.mtp.enorm.weight,
        mtp + "hnorm.weight": model.mtp.hnorm.weight, mtp + "eh_proj.weight": model.mtp.eh_proj,
        mtp + "shared_head.norm.weight": model.mtp.norm.weight,
        mtp + "shared_head.head.weight": model.lm_head})
    return names


def block_tensors(prefix, block):
    """The tensors of one transformer block under their published names."""
    names = {}
    for norm in ("input_layernorm", "post_attention_layernorm"):
        names[f"{prefix}{norm}.weight"] = getattr(block, norm).weight
    attention = prefix + "self_attn."
    for part in ("q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj"):
        names[f"{attention}{part}.weight"] = getattr(block.self_attn, part)
    for norm in ("q_a_layernorm", "kv_a_layernorm"):
        names[f"{attention}{norm}.weight"] = getattr(block.self_attn, norm).weight
    dense, where = block.mlp, prefix + "mlp."
    if isinstance(block.mlp, Moe):
        names[where + "gate.weight"] = block.mlp.gate
        names[where + "gate.e_score_correction_bias"] = block.mlp.bias
        for expert in range(len(block.mlp.bias)):
            for part in EXPERT_PARTS:
                names[f"{where}experts.{expert}.{part}.weight"] = getattr(block.mlp, part)[expert]
        dense, where = block.mlp.shared_experts, where + "shared_experts."
    for part in EXPERT_PARTS:
        names[f"{where}{part}.weight"] = getattr(dense, part)
    return names


def is_float32(name):
    return name.endswith("e_score_correction_bias")


def to_bytes(name, tensor):
    """Little-endian bytes: F32 for the routing bias, else BF16 (rounded to nearest even)."""
    values = tensor.detach().contiguous().float()
    if is_float32(name):
        return values.numpy().tobytes()
    return values.bfloat16().view(torch.int16).numpy().tobytes()


def write_safetensors(path, tensors):
    header, blobs, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for name, tensor in tensors.items():
        blob = to_bytes(name, tensor)
        header[name] = {"dtype": "F32" if is_float32(name) else "BF16",
                        "shape": list(tensor.shape), "data_offsets": [offset, offset + len(blob)]}
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # keeps the data 8-byte aligned, as the reference writer does
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))
    return offset


def write_checkpoint(model, folder):
    """Writes config.json, the index and the shards; returns the size of the weights in bytes."""
    tensors = tensor_map(model)
    half = len(model.layers) // 2
    shards = [{}, {}]
    for name, tensor in tensors.items():
        parts = name.split(".")
        second = name in ("model.norm.weight", "lm_head.weight") or (
            parts[1] == "layers" and int(parts[2]) >= half)
        shards[second][name] = tensor
    total, weight_map = 0, {}
    for number, shard in enumerate(shards, 1):
        file = f"model-{number:05d}-of-{SHARDS:06d}.safetensors"
        total += write_safetensors(folder / file, shard)
        weight_map.update({name: file for name in shard})
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")
    (folder / "config.json").write_text(json.dumps(config_json(model.config), indent=2) + "\n")
    return total


def read_checkpoint(folder, dtype=torch.float32):
    """The network with the weights of the folder, exactly as stored, computed in `dtype`."""
    model = Network(Config.read(folder / "config.json"))
    index = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    stored = {}
    for file in sorted(set(index.values())):
        raw = (folder / file).read_bytes()
        size = struct.unpack("<Q", raw[:8])[0]
        for name, entry in json.loads(raw[8:8 + size]).items():
            if name != "__metadata__":
                begin, end = (8 + size + o for o in entry["data_offsets"])
                kind = torch.float32 if entry["dtype"] == "F32" else torch.bfloat16
                data = torch.frombuffer(bytearray(raw[begin:end]), dtype=kind)
                stored[name] = data.view(entry["shape"]).float()
    with torch.no_grad():
        for name, tensor in tensor_map(model).items():
            tensor.copy_(stored[name])
    return model.to(dtype).eval()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="checkpoint.pt of train.py")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to")
    args = parser.parse_args()
    state = torch.load(args.checkpoint, map_location="cpu")
    model = Network(Config())
    model.load_state_dict(state["mean"])
    total = write_checkpoint(model, args.out)
    print(f"step {state['step']}: {total / 1e6:.2f} MB of weights in {args.out}")


if __name__ == "__main__":
    main()
