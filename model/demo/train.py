"""Trains the demo model, on one CPU thread or one per worker, in the manner of the V3 report.


Aux-loss-free load balancing (a bias per expert, nudged after each step) with the report's small
sequence-wise loss, the MTP loss at weight 0.3 and then 0.1, warm-up, constant and decaying
learning rate, and a running average of the weights, which is what is evaluated and exported.
"""

import argparse
import copy
import os
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import distributed

import conversations
import questions
from muon import Muon
from network import Config, Network
from tokenizer import Tokenizer

FOLDER = Path(__file__).resolve().parent


def options():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument("--out", type=Path, required=True, help="folder for checkpoints")
    p.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --out")
    p.add_argument("--minutes", type=float, default=40.0,
                   help="CPU time of the first worker in all: a busy machine only delays the end")
    p.add_argument("--decay-from", type=float, default=0.5,
                   help="when the learning rate starts to fall, as a share of the time")
    p.add_argument("--tokens", type=int, default=3072, help="tokens a step")
    p.add_argument("--workers", type=int, default=1, help="processes that share each step")
    p.add_argument("--rank", type=int, default=0, help="which of the workers this one is")
    p.add_argument("--lr", type=float, default=0.02, help="Muon, for the matrices")
    p.add_argument("--adam-lr", type=float, default=4e-3, help="AdamW, for all the rest")
    p.add_argument("--bias-speed", type=float, default=4e-3, help="step of the routing bias")
    p.add_argument("--held-out", type=int, default=50, help="questions per family to watch")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--evaluate-every", type=int, default=200)
    p.add_argument("--save-every", type=int, default=25)
    p.add_argument("--log-every", type=int, default=20)
    return p.parse_args()


def optimizers(model, args):
    matrices, rest = [], []
    for name, p in model.named_parameters():
        plain = p.dim() >= 2 and not name.endswith((".gate", "embed_tokens", "lm_head"))
        (matrices if plain else rest).append(p)
    return [Muon(matrices, args.lr, weight_decay=0.05),
            torch.optim.AdamW(rest, args.adam_lr, betas=(0.9, 0.95), weight_decay=0.01)]


def learning_rate(step, progress, args):
    """The factor on the peak rate: short warm-up, constant, linear decay to a hundredth."""
    fall = max(0.0, (progress - args.decay_from) / (1.0 - args.decay_from))
    return min(1.0, (step + 1) / 60) * (1.0 - 0.99 * min(1.0, fall))


def losses(model, ids, learnt, owner):
    """Cross entropy of the next token and, by the MTP module, of the one after it.

    Each comes with how many tokens were right and how many were asked: sums, not means.
    """
    drafting = F.pad(learnt[:, 1:] == 1, (0, 1))  # an answer has begun: the next token is its
    hidden, ahead = model(ids, owner, drafting)
    out = []
    for states, shift in [(hidden, 1), (ahead, 2)]:
        scored = (learnt[:, shift:] == 1) & (owner[:, shift:] == 0)
        if shift == 2:  # a draft is only asked for once an answer has begun
            scored &= learnt[:, 1:-1] == 1
        logits = F.linear(states[:, :-shift][scored], model.lm_head)
        target = ids[:, shift:][scored]
        right = (logits.argmax(-1) == target).sum()
        out.append((F.cross_entropy(logits, target, reduction="sum"), right, len(target)))
    return out


def update_biases(model, loads, speed):
    """The report's section 2.1.2: less for the overloaded experts, more for the idle ones."""
    spread = []
    for moe, load in zip(model.moe_layers(), loads):
        moe.bias += speed * torch.sign(load.mean() - load)
        spread.append(float(load.max() / load.mean()))
    return spread


@torch.no_grad()
def evaluate(model, tokenizer, held_out, rows=32):
    """Share of held-out questions whose whole answer is the greedy one, by family.

    If every answer token is the most likely one after the true prefix, greedy decoding says
    exactly this answer, so nothing needs to be generated. Also the MTP module's hits and the load.
    """
    model.eval()
    right, asked, drafts, hits = {}, {}, 0, 0
    loads = [torch.zeros(model.config.n_routed_experts) for _ in model.moe_layers()]
    encoded = sorted(((conversations.prompt_of(tokenizer, q), q) for q in held_out),
                     key=lambda item: len(item[0][0]) + len(item[0][1]))
    for start in range(0, len(encoded), rows):
        chunk = encoded[start:start + rows]
        longest = max(len(p) + len(a) for (p, a), _ in chunk)
        ids = torch.full((len(chunk), longest), conversations.PAD)
        owner = torch.full_like(ids, -1)
        drafting = torch.zeros_like(ids, dtype=torch.bool)
        for row, ((prompt, answer), _) in enumerate(chunk):
            ids[row, :len(prompt) + len(answer)] = torch.tensor(prompt + answer)
            owner[row, :len(prompt) + len(answer)] = 0
            drafting[row, len(prompt) - 1:len(prompt) + len(answer) - 1] = True
        hidden, ahead = model(ids, owner, drafting)
        best, draft = (F.linear(h, model.lm_head).argmax(-1) for h in (hidden, ahead))
        for total, moe in zip(loads, model.moe_layers()):
            total += moe.load
        for row, ((prompt, answer), q) in enumerate(chunk):
            p, a = len(prompt), len(answer)
            good = bool((best[row, p - 1:p + a - 1] == ids[row, p:p + a]).all())
            right[q.family] = right.get(q.family, 0) + good
            asked[q.family] = asked.get(q.family, 0) + 1
            drafts += a - 1
            hits += int((draft[row, p - 1:p + a - 2] == ids[row, p + 1:p + a]).sum())
    model.train()
    accuracy = {f: right[f] / asked[f] for f in asked}
    overall = sum(right.values()) / sum(asked.values())
    return accuracy, overall, hits / drafts, [float(t.max() / t.mean()) for t in loads]


def report(step, result):
    accuracy, overall, mtp, spread = result
    print(f"held-out at {step}: overall {overall:.3f}, mtp top-1 {mtp:.3f}, load max/mean "
          + " ".join(f"{s:.2f}" for s in spread), flush=True)
    print("  " + "  ".join(f"{f} {a:.2f}" for f, a in accuracy.items()), flush=True)


def average(mean, model, step):
    """Running average of weights and biases; it follows closely at first."""
    keep = min(0.995, (step + 1) / (step + 20))
    with torch.no_grad():
        for m, p in zip(mean.state_dict().values(), model.state_dict().values()):
            m.lerp_(p, 1 - keep)


def save(path, **state):
    torch.save(state, f"{path}.new")
    os.replace(f"{path}.new", path)


def add_up(model, args, extra):
    """Sums gradients, and a flat tensor of other counts, over the workers."""
    if args.workers == 1:
        return extra
    gradients = [p.grad for p in model.parameters()]
    flat = torch.cat([g.reshape(-1) for g in gradients] + [extra])
    distributed.all_reduce(flat)
    *summed, extra = flat.split([g.numel() for g in gradients] + [extra.numel()])
    for gradient, total in zip(gradients, summed):
        gradient.copy_(total.view_as(gradient))
    return extra


def train_step(model, opts, pool, factor, mtp_weight, args):
    """One step at `factor` times the peak learning rates; returns the numbers to log."""
    for opt, peak in zip(opts, (args.lr, args.adam_lr)):
        opt.zero_grad(set_to_none=True)
        for group in opt.param_groups:
            group["lr"] = peak * factor
    ids, learnt, owner = map(torch.tensor, pool.batch(args.tokens // args.workers))
    main, mtp = losses(model, ids, learnt, owner)
    balance = sum(m.balance_loss for m in model.moe_layers()) * main[2]
    (main[0] + mtp_weight * mtp[0] + 1e-4 * balance).backward()

    loads = [moe.load.float() for moe in model.moe_layers()]
    counts = add_up(model, args, torch.cat([torch.tensor([float(n) for n in (*main, *mtp)]),
                                            torch.cat(loads)]))
    loss, right, asked, mtp_loss, mtp_right, mtp_asked = counts[:6].tolist()
    for p in model.parameters():
        p.grad.div_(asked)
    torch.nn.utils.clip_grad_norm_(opts[1].param_groups[0]["params"], 1.0)
    opts[0].step(args.rank, args.workers)
    opts[1].step()
    loads = counts[6:].view(len(loads), -1)
    spread = update_biases(model, loads, args.bias_speed * max(0.1, factor))
    return [loss / asked, right / asked, mtp_loss / mtp_asked, mtp_right / mtp_asked, max(spread)]


def restore(path, model, mean, opts):
    """Loads a checkpoint into the given objects; returns step, seconds and family weights."""
    state = torch.load(path)
    model.load_state_dict(state["model"])
    mean.load_state_dict(state["mean"])
    for opt, saved in zip(opts, state["opts"]):
        opt.load_state_dict(saved)
    return state["step"], state["seconds"], state["weights"]


def agree(value, args):
    """The first worker's value, so that all take the same decisions by its clock."""
    if args.workers == 1:
        return value
    shared = torch.tensor([value], dtype=torch.float64)
    distributed.broadcast(shared, 0)
    return float(shared)


def prepare(args):
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # the softmax of masked scores is several times faster
    torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.workers > 1:
        distributed.init_process_group("gloo", init_method=f"file://{args.out.resolve()}/workers",
                                       world_size=args.workers, rank=args.rank)


def main():
    args = options()
    prepare(args)
    tokenizer = Tokenizer(FOLDER / "tokenizer.json")
    held_out = questions.held_out_set(per_family=args.held_out)
    model = Network(Config())
    mean, opts = copy.deepcopy(model), optimizers(model, args)
    step, before, weights = 0, 0.0, {}
    if args.resume:
        step, before, weights = restore(args.out / "checkpoint.pt", model, mean, opts)
    pool = conversations.Pool(tokenizer, random.Random(f"{args.seed} {step} {args.rank}"))
    pool.weights = weights
    print(f"{sum(p.numel() for p in model.parameters())} parameters, from step {step}", flush=True)
    clock, tokens, progress = time.time(), 0, before / (60 * args.minutes)
    before -= time.process_time()
    while progress < 1.0:
        factor = learning_rate(step, progress, args)
        numbers = train_step(model, opts, pool, factor, 0.3 if progress < 0.7 else 0.1, args)
        average(mean, model, step)
        step, tokens = step + 1, tokens + args.tokens
        seconds = agree(before + time.process_time(), args)
        progress = seconds / (60 * args.minutes)
        if step % args.log_every == 0:
            print("step {} at {:.1f} min: loss {:.4f} right {:.3f} mtp {:.4f} right {:.3f} "
                  "load {:.2f}".format(step, seconds / 60, *numbers),
                  f"{tokens / (time.time() - clock):.0f} tokens/s", flush=True)
        if step % args.evaluate_every == 0 or progress >= 1.0:
            # Each worker asks its share, and sets its own weights by what it sees.
            result = evaluate(mean, tokenizer, held_out[args.rank::args.workers])
            report(step, result)
            # Families that lag are drawn more often.
            pool.weights = {f: 0.2 + 2.8 * min(1.0, 2 * (1 - a)) for f, a in result[0].items()}
        if args.rank == 0 and (step % args.save_every == 0 or progress >= 1.0):
            save(args.out / "checkpoint.pt", model=model.state_dict(), mean=mean.state_dict(),
                 opts=[o.state_dict() for o in opts], step=step, seconds=seconds,
                 weights=pool.weights)


if __name__ == "__main__":
    main()
