"""Muon: momentum whose step is orthogonalised, for weight matrices (Jordan et al., 2024).

It reaches the same loss in about half the steps of AdamW here, which is what a CPU run needs.
"""

import torch
from torch import distributed


def orthogonalise(g, steps=5):
    """The nearest semi-orthogonal matrices of g [..., out, in], by Newton-Schulz iterations."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = g.shape[-2] > g.shape[-1]
    x = g.transpose(-2, -1) if tall else g
    x = x / (x.flatten(-2).norm(dim=-1)[..., None, None] + 1e-7)
    for _ in range(steps):
        square = x @ x.transpose(-2, -1)
        x = a * x + (b * square + c * square @ square) @ x
    return x.transpose(-2, -1) if tall else x


class Muon(torch.optim.Optimizer):
    """Takes parameters of two dimensions, or three where the first one only stacks matrices."""

    def __init__(self, parameters, lr, momentum=0.95, weight_decay=0.0):
        super().__init__(parameters, {"lr": lr, "momentum": momentum,
                                      "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, rank=0, workers=1):
        """Workers hold the same gradients; each orthogonalises its share of the matrices."""
        for group in self.param_groups:
            alike = {}
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                m = state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                ahead = p.grad.lerp(m, group["momentum"])  # Nesterov
                alike.setdefault(tuple(p.shape[-2:]), []).append((p, ahead))
            # One batch for all matrices of a shape: far fewer, far larger products.
            stacks = [torch.cat([a.view(-1, *shape) for _, a in members])
                      for shape, members in alike.items()]
            updates = shared_orthogonalise(stacks, rank, workers)
            for (shape, members), update in zip(alike.items(), updates):
                scale = max(1.0, shape[0] / shape[1]) ** 0.5
                sizes = [p.numel() // (shape[0] * shape[1]) for p, _ in members]
                for (p, _), u in zip(members, update.split(sizes)):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(u.view_as(p), alpha=-group["lr"] * scale)


def shared_orthogonalise(stacks, rank, workers):
    if workers == 1:
        return [orthogonalise(stack) for stack in stacks]
    flat = torch.zeros(sum(stack.numel() for stack in stacks))
    updates = [part.view_as(stack)
               for part, stack in zip(flat.split([s.numel() for s in stacks]), stacks)]
    for stack, update in zip(stacks, updates):
        mine = slice(len(stack) * rank // workers, len(stack) * (rank + 1) // workers)
        update[mine] = orthogonalise(stack[mine])
    distributed.all_reduce(flat)  # everybody else left zeros
    return updates
