"""The DeepSeek-V3 architecture in miniature, for training: latent attention, DeepSeekMoE, MTP.

Shapes: B rows, T positions, N = B*T tokens, H hidden, E experts, K experts per token. Weights are
[out, in] as in the published checkpoints; the experts of a layer are stacked to [E, out, in].
"""

import json
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Config:
    vocab_size: int = 768
    hidden_size: int = 128
    num_hidden_layers: int = 8
    num_attention_heads: int = 8
    qk_nope_head_dim: int = 32
    qk_rope_head_dim: int = 16
    v_head_dim: int = 32
    q_lora_rank: int = 96
    kv_lora_rank: int = 64
    intermediate_size: int = 384
    moe_intermediate_size: int = 64
    n_routed_experts: int = 16
    n_shared_experts: int = 1
    num_experts_per_tok: int = 4
    n_group: int = 4
    topk_group: int = 2
    routed_scaling_factor: float = 1.5
    first_k_dense_replace: int = 1
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-6
    max_position_embeddings: int = 32768

    @classmethod
    def read(cls, path):
        """From a config.json; what is not named above must be as in DeepSeek-V3."""
        stored = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{f.name: stored[f.name] for f in fields(cls)})


class Dispatch(torch.autograd.Function):
    """Copies token rows to the experts' slots. x [N, H]; the result is [slots, H].

    token_of [slots] names the token of a slot, slot_of [N, K] the slots of a token (the number of
    slots: none). The gradient of a gather is a scatter, slow on a CPU; with both directions of
    the map at hand it is a gather and a sum.
    """

    @staticmethod
    def forward(ctx, x, token_of, slot_of):
        ctx.save_for_backward(slot_of)
        return x.index_select(0, token_of)

    @staticmethod
    def backward(ctx, grad):
        return gather_sum(grad, ctx.saved_tensors[0]), None, None


class Combine(torch.autograd.Function):
    """The way back, Dispatch transposed: sums the slots of each token. y [slots, H] to [N, H]."""

    @staticmethod
    def forward(ctx, y, token_of, slot_of):
        ctx.save_for_backward(token_of)
        return gather_sum(y, slot_of)

    @staticmethod
    def backward(ctx, grad):
        return grad.index_select(0, ctx.saved_tensors[0]), None, None


def gather_sum(y, slot_of):
    padded = torch.cat([y, y.new_zeros(1, y.shape[1])])
    total = padded.index_select(0, slot_of[:, 0])
    for k in range(1, slot_of.shape[1]):
        total += padded.index_select(0, slot_of[:, k])
    return total


class RmsNorm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


def matrix(out_size, in_size, gain=1.0):
    return nn.Parameter(torch.randn(out_size, in_size) * gain * in_size ** -0.5)


def rotate(x, turn):
    """RoPE on neighbouring pairs. x [B, T, heads, rope], turn [T, rope/2] complex."""
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * turn[:, None, :]).flatten(-2)


def rope_turns(config, length, dtype=torch.float32):
    size = config.qk_rope_head_dim
    frequency = config.rope_theta ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    angle = torch.arange(length, dtype=torch.float64)[:, None] * frequency
    turns = torch.polar(torch.ones_like(angle), angle)
    return turns.to(torch.complex64 if dtype == torch.float32 else torch.complex128)


class Attention(nn.Module):
    """Multi-head latent attention, in the form that expands keys and values."""

    def __init__(self, c):
        super().__init__()
        self.c, heads = c, c.num_attention_heads
        self.q_a_proj = matrix(c.q_lora_rank, c.hidden_size)
        self.q_a_layernorm = RmsNorm(c.q_lora_rank, c.rms_norm_eps)
        self.q_b_proj = matrix(heads * (c.qk_nope_head_dim + c.qk_rope_head_dim), c.q_lora_rank)
        self.kv_a_proj_with_mqa = matrix(c.kv_lora_rank + c.qk_rope_head_dim, c.hidden_size)
        self.kv_a_layernorm = RmsNorm(c.kv_lora_rank, c.rms_norm_eps)
        self.kv_b_proj = matrix(heads * (c.qk_nope_head_dim + c.v_head_dim), c.kv_lora_rank)
        self.o_proj = matrix(c.hidden_size, heads * c.v_head_dim, gain=0.25)

    def forward(self, x, mask, turns):
        """x [B, T, H]; mask [T, T] is added to the scores; turns from rope_turns."""
        c, (rows, length, _), heads = self.c, x.shape, self.c.num_attention_heads
        nope, rope = c.qk_nope_head_dim, c.qk_rope_head_dim
        q = F.linear(self.q_a_layernorm(F.linear(x, self.q_a_proj)), self.q_b_proj)
        q = q.view(rows, length, heads, nope + rope) * (nope + rope) ** -0.5
        latent, k_rope = F.linear(x, self.kv_a_proj_with_mqa).split([c.kv_lora_rank, rope], -1)
        kv = F.linear(self.kv_a_layernorm(latent), self.kv_b_proj)
        k, v = kv.view(rows, length, heads, -1).split([nope, c.v_head_dim], -1)
        k_rope = rotate(k_rope[:, :, None, :], turns).expand(-1, -1, heads, -1)
        q = torch.cat([q[..., :nope], rotate(q[..., nope:], turns)], -1).transpose(1, 2)
        k = torch.cat([k, k_rope], -1).permute(0, 2, 3, 1)
        scores = torch.matmul(q, k).add_(mask)
        mixed = torch.matmul(scores.softmax(-1), v.transpose(1, 2))
        return F.linear(mixed.transpose(1, 2).reshape(rows, length, -1), self.o_proj)


class Mlp(nn.Module):
    def __init__(self, hidden, inner):
        super().__init__()
        self.gate_proj = matrix(inner, hidden)
        self.up_proj = matrix(inner, hidden)
        self.down_proj = matrix(hidden, inner, gain=0.25)

    def forward(self, x):
        return F.linear(F.silu(F.linear(x, self.gate_proj)) * F.linear(x, self.up_proj),
                        self.down_proj)


class Moe(nn.Module):
    """DeepSeekMoE: sigmoid scores, group-limited choice, a bias that only steers the choice."""

    def __init__(self, c):
        super().__init__()
        self.c, experts, inner = c, c.n_routed_experts, c.moe_intermediate_size
        self.gate = matrix(experts, c.hidden_size, gain=0.5)
        self.register_buffer("bias", torch.zeros(experts))
        self.gate_proj = nn.Parameter(torch.randn(experts, inner, c.hidden_size)
                                      * c.hidden_size ** -0.5)
        self.up_proj = nn.Parameter(torch.randn(experts, inner, c.hidden_size)
                                    * c.hidden_size ** -0.5)
        self.down_proj = nn.Parameter(torch.randn(experts, c.hidden_size, inner)
                                      * 0.25 * inner ** -0.5)
        self.shared_experts = Mlp(c.hidden_size, inner * c.n_shared_experts)
        self.load = self.balance_loss = None

    def choose(self, scores):
        """Expert ids [N, K] by score + bias, within the best groups."""
        c = self.c
        choice = (scores + self.bias).view(len(scores), c.n_group, -1)
        group_scores = choice.topk(2, -1).values.sum(-1)
        kept = torch.zeros_like(group_scores, dtype=torch.bool)
        kept.scatter_(1, group_scores.topk(c.topk_group, -1).indices, True)
        choice = choice.masked_fill(~kept[:, :, None], -1e9).flatten(1)
        return choice.topk(c.num_experts_per_tok, -1).indices

    def forward(self, x, valid):
        """x [N, H], valid [N] bool (padding is not routed, so it does not count as load)."""
        c = self.c
        scores = F.linear(x, self.gate).sigmoid()
        with torch.no_grad():
            chosen = self.choose(scores)
        weights = scores.gather(1, chosen)
        weights = weights / weights.sum(-1, keepdim=True) * c.routed_scaling_factor
        routed = self.run_experts(x, chosen, weights, valid)
        if self.training:
            self.balance_loss = self.sequence_balance(scores, valid)
        return routed + self.shared_experts(x)

    def run_experts(self, x, chosen, weights, valid):
        """Sorts the N*K choices by expert, so that each expert multiplies one slice of rows."""
        tokens, top = chosen.shape
        experts = self.c.n_routed_experts
        with torch.no_grad():
            flat = torch.where(valid[:, None], chosen, experts).view(-1)
            load = torch.bincount(flat, minlength=experts + 1)
            self.load = load[:experts]
            order = flat.argsort()  # the choices of padding come last and are left out
            used = int(self.load.sum())
            slot_of = torch.full((tokens * top,), used)
            slot_of[order[:used]] = torch.arange(used)
            slot_of, order = slot_of.view(tokens, top), order[:used]
            token_of = order // top
        packed = Dispatch.apply(x, token_of, slot_of)
        out = []
        for rows, gate, up, down in zip(packed.split(self.load.tolist()), self.gate_proj.unbind(),
                                        self.up_proj.unbind(), self.down_proj.unbind()):
            out.append(F.linear(F.silu(F.linear(rows, gate)) * F.linear(rows, up), down))
        weighted = torch.cat(out) * weights.view(-1).gather(0, order)[:, None]
        return Combine.apply(weighted, token_of, slot_of)

    def sequence_balance(self, scores, valid):
        """The report's complementary loss (section 2.1.2): sum of f_i * P_i over experts."""
        c = self.c
        share = (scores / scores.sum(-1, keepdim=True))[valid].mean(0)
        load = self.load / self.load.sum() * c.n_routed_experts
        return (share * load).sum()


class Block(nn.Module):
    def __init__(self, c, dense):
        super().__init__()
        self.input_layernorm = RmsNorm(c.hidden_size, c.rms_norm_eps)
        self.self_attn = Attention(c)
        self.post_attention_layernorm = RmsNorm(c.hidden_size, c.rms_norm_eps)
        self.mlp = Mlp(c.hidden_size, c.intermediate_size) if dense else Moe(c)

    def forward(self, x, mask, turns, valid):
        x = x + self.self_attn(self.input_layernorm(x), mask, turns)
        y = self.post_attention_layernorm(x)
        if isinstance(self.mlp, Moe):
            return x + self.mlp(y.flatten(0, 1), valid.flatten()).view_as(x)
        return x + self.mlp(y)


class Mtp(nn.Module):
    """The multi-token prediction module: one more block that sees the next token's embedding."""

    def __init__(self, c):
        super().__init__()
        self.enorm = RmsNorm(c.hidden_size, c.rms_norm_eps)
        self.hnorm = RmsNorm(c.hidden_size, c.rms_norm_eps)
        self.eh_proj = matrix(c.hidden_size, 2 * c.hidden_size)
        self.block = Block(c, dense=False)
        self.norm = RmsNorm(c.hidden_size, c.rms_norm_eps)

    def forward(self, next_embedding, hidden, mask, turns, valid):
        x = torch.cat([self.enorm(next_embedding), self.hnorm(hidden)], -1)
        return self.norm(self.block(F.linear(x, self.eh_proj), mask, turns, valid))


class Network(nn.Module):
    def __init__(self, config):
        super().__init__()
        c = self.config = config
        self.embed_tokens = nn.Parameter(torch.randn(c.vocab_size, c.hidden_size) * 0.5)
        self.layers = nn.ModuleList(Block(c, dense=i < c.first_k_dense_replace)
                                    for i in range(c.num_hidden_layers))
        self.norm = RmsNorm(c.hidden_size, c.rms_norm_eps)
        self.lm_head = matrix(c.vocab_size, c.hidden_size, gain=0.3)
        self.mtp = Mtp(c)

    def moe_layers(self):
        """The routers in layer order, the MTP layer's last."""
        return [b.mlp for b in [*self.layers, self.mtp.block] if isinstance(b.mlp, Moe)]

    def forward(self, tokens, owner, drafting=None):
        """tokens, owner [B, T]: one conversation a row; owner is -1 where a row is padded.

        drafting [B, T]: where the MTP module's output is wanted; None: everywhere. Elsewhere its
        rows are not routed, as in serving, where only rows that draft go through its experts.

        Returns the final hidden states, from which the head predicts the next token, and the MTP
        module's, from which the same head predicts the one after. Both [B, T, H].
        """
        length = tokens.shape[1]
        dtype = self.embed_tokens.dtype
        mask = torch.full((length, length), -1e9, dtype=dtype).triu(1)
        turns = rope_turns(self.config, length, dtype)
        valid = owner >= 0
        embedded = F.embedding(tokens, self.embed_tokens)
        x = embedded
        for layer in self.layers:
            x = layer(x, mask, turns, valid)
        hidden = self.norm(x)
        # The last position has no next token; its row is never scored.
        following = torch.cat([embedded[:, 1:], embedded[:, -1:]], 1)
        routed = valid if drafting is None else valid & drafting
        return hidden, self.mtp(following, hidden, mask, turns, routed)
