"""Trains the demo model on one CPU thread, in the manner of the DeepSeek-V3 report in miniature.

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
    p.add_argument("--minutes", type=float, default=80.0, help="training time in all")
    p.add_argument("--decay-from", type=float, default=0.5,
                   help="when the learning rate starts to fall, as a share of the time")
    p.add_argument("--tokens", type=int, default=3072, help="tokens a step")
    p.add_argument("--length", type=int, default=128, help="row length")
    p.add_argument("--long-length", type=int, default=384, help="row length of the long steps")
    p.add_argument("--long-every", type=int, default=10, help="every n-th step has long rows")
    p.add_argument("--lr", type=float, default=0.02, help="Muon, for the matrices")
    p.add_argument("--adam-lr", type=float, default=4e-3, help="AdamW, for all the rest")
    p.add_argument("--bias-speed", type=float, default=4e-3, help="step of the routing bias")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--evaluate-every", type=int, default=200)
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


def batch(packer, count):
    rows = [packer.row() for _ in range(count)]
    ids, learnt, owner = (torch.tensor(part) for part in zip(*rows))
    return ids, learnt, owner


def losses(model, ids, learnt, owner):
    """Cross entropy of the next token and, by the MTP module, of the one after it.

    Returns also how often each is right, over the answers' tokens.
    """
    hidden, ahead = model(ids, owner)
    out = []
    for states, shift in [(hidden, 1), (ahead, 2)]:
        scored = (learnt[:, shift:] == 1) & (owner[:, :-shift] == owner[:, shift:])
        if shift == 2:  # a draft is only asked for after a token that was said, or was about to be
            scored &= learnt[:, 1:-1] == 1
        logits = F.linear(states[:, :-shift][scored], model.lm_head)
        target = ids[:, shift:][scored]
        right = (logits.argmax(-1) == target).float().mean()
        out += [F.cross_entropy(logits, target), right]
    return out


def update_biases(model, speed):
    """The report's section 2.1.2: less for the overloaded experts, more for the idle ones."""
    spread = []
    for moe in model.moe_layers():
        load = moe.load.float()
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
        for row, ((prompt, answer), _) in enumerate(chunk):
            ids[row, :len(prompt) + len(answer)] = torch.tensor(prompt + answer)
            owner[row, :len(prompt) + len(answer)] = 0
        hidden, ahead = model(ids, owner)
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


def train_step(model, opts, packer, factor, mtp_weight, args):
    """One step at `factor` times the peak learning rates; returns the numbers to log."""
    for opt, peak in zip(opts, (args.lr, args.adam_lr)):
        for group in opt.param_groups:
            group["lr"] = peak * factor
    ids, learnt, owner = batch(packer, args.tokens // packer.length)
    loss, right, mtp_loss, mtp_right = losses(model, ids, learnt, owner)
    balance = sum(m.balance_loss for m in model.moe_layers())
    for opt in opts:
        opt.zero_grad(set_to_none=True)
    (loss + mtp_weight * mtp_loss + 1e-4 * balance).backward()
    torch.nn.utils.clip_grad_norm_(opts[1].param_groups[0]["params"], 1.0)
    for opt in opts:
        opt.step()
    spread = update_biases(model, args.bias_speed * max(0.1, factor))
    return [float(v.detach()) for v in (loss, right, mtp_loss, mtp_right)] + [max(spread)]


def restore(path, model, mean, opts):
    """Loads a checkpoint into the given objects; returns step, seconds and family weights."""
    state = torch.load(path)
    model.load_state_dict(state["model"])
    mean.load_state_dict(state["mean"])
    for opt, saved in zip(opts, state["opts"]):
        opt.load_state_dict(saved)
    return state["step"], state["seconds"], state["weights"]


def main():
    args = options()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)  # the softmax of masked scores is several times faster
    torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(FOLDER / "tokenizer.json")
    held_out = questions.held_out_set(per_family=50)
    model = Network(Config())
    mean, opts = copy.deepcopy(model), optimizers(model, args)
    step, before, weights = 0, 0.0, {}
    if args.resume:
        step, before, weights = restore(args.out / "checkpoint.pt", model, mean, opts)
    rng = random.Random(args.seed * 1000003 + step)
    packers = [conversations.Packer(tokenizer, rng, length, turns)
               for length, turns in [(args.length, 4), (args.long_length, 10)]]
    print(f"{sum(p.numel() for p in model.parameters())} parameters, from step {step}", flush=True)
    clock, tokens, progress = time.time(), 0, 0.0
    while progress < 1.0:
        packer = packers[step % args.long_every == args.long_every - 1]
        packer.weights = weights
        factor = learning_rate(step, progress, args)
        numbers = train_step(model, opts, packer, factor, 0.3 if progress < 0.7 else 0.1, args)
        average(mean, model, step)
        step, tokens = step + 1, tokens + args.tokens
        seconds = before + time.time() - clock
        progress = seconds / (60 * args.minutes)
        if step % args.log_every == 0:
            print("step {} at {:.1f} min: loss {:.4f} right {:.3f} mtp {:.4f} right {:.3f} "
                  "load {:.2f}".format(step, seconds / 60, *numbers),
                  f"{tokens / (time.time() - clock):.0f} tokens/s", flush=True)
        if step % args.evaluate_every == 0 or progress >= 1.0:
            result = evaluate(mean, tokenizer, held_out)
            report(step, result)
            # Families that lag are drawn more often.
            weights = {f: 0.5 + 2.5 * min(1.0, 2 * (1 - a)) for f, a in result[0].items()}
            save(args.out / "checkpoint.pt", model=model.state_dict(), mean=mean.state_dict(),
                 opts=[o.state_dict() for o in opts], step=step, seconds=seconds, weights=weights)


if __name__ == "__main__":
    main()
