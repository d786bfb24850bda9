"""Muon: momentum whose step is orthogonalised, for weight matrices (Jordan et al., 2024).

It reaches the same loss in about half the steps of AdamW here, which is what a CPU run needs.
"""

import torch


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
    def step(self):
        for group in self.param_groups:
            alike = {}
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                m = state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                ahead = p.grad.lerp(m, group["momentum"])  # Nesterov
                alike.setdefault(tuple(p.shape[-2:]), []).append((p, ahead))
            for (rows, columns), members in alike.items():
                # One batch for all matrices of a shape: far fewer, far larger products.
                stacked = torch.cat([a.view(-1, rows, columns) for _, a in members])
                update = orthogonalise(stacked) * max(1.0, rows / columns) ** 0.5
                sizes = [p.numel() // (rows * columns) for p, _ in members]
                for (p, _), u in zip(members, update.split(sizes)):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(u.view_as(p), alpha=-group["lr"])
