"""Writes heldout.jsonl (questions for bench/eval) and reference.json (numbers for tests).

The reference is computed in float64 from the bf16 weights as they are shipped: greedy tokens with
their log-probabilities, the best logits after the prompt, and the MTP module's drafts.
"""

import argparse
import json
from pathlib import Path

import torch
import torch.nn.functional as F

import conversations
import questions
from export import read_checkpoint
from tokenizer import Tokenizer
from train import evaluate, report

FOLDER = Path(__file__).resolve().parent
SEED = 11  # another draw than the one that train.py watches
NEW_TOKENS_MAX = 48
FIXED = ["What is 37 + 48?", "Hello!", "Who are you?", "How many legs does a spider have?"]


def write_held_out(path, per_family):
    chosen = questions.held_out_set(per_family, seed=SEED)
    with path.open("w", encoding="utf-8") as out:
        for q in chosen:
            messages = []
            for ask, answer in q.history:
                messages += [{"role": "user", "content": ask},
                             {"role": "assistant", "content": answer}]
            messages.append({"role": "user", "content": q.ask})
            out.write(json.dumps({"family": q.family, "messages": messages, "check": q.check,
                                  "expected": q.answer}, ensure_ascii=False) + "\n")
    return chosen


@torch.no_grad()
def states(model, ids):
    """Logits of the head and of the MTP module for every position of one sequence."""
    tokens = torch.tensor([ids])
    hidden, ahead = model(tokens, torch.zeros_like(tokens))
    return F.linear(hidden[0], model.lm_head), F.linear(ahead[0], model.lm_head)


def reference_case(model, name, prompt):
    """One prompt, answered greedily up to the end-of-sentence token, in golden.json's fields."""
    tokens = []
    while len(tokens) < NEW_TOKENS_MAX and conversations.EOS not in tokens:
        logits, _ = states(model, prompt + tokens)
        tokens.append(int(logits[-1].argmax()))
    logits, ahead = states(model, prompt + tokens)
    start = len(prompt) - 1
    said = logits[start:start + len(tokens)]
    log_probability = said.log_softmax(-1)
    best_two = said.topk(2, -1)
    drafted = ahead[start:start + len(tokens)]
    # The very last row lacks the embedding of the token after it: row i reads tokens[i].
    drafts = drafted.argmax(-1).tolist()
    draft_log = drafted.log_softmax(-1).max(-1).values
    top = said[0].topk(10)

    def rounded(values):
        return [round(float(v), 6) for v in values]

    return {
        "name": name, "prompt": prompt,
        "first": {"top10": [[int(i), round(float(v), 6)] for v, i in zip(*top)],
                  "logsumexp": round(float(said[0].logsumexp(-1)), 6)},
        "greedy": {"tokens": tokens,
                   "logprobs": rounded(log_probability[range(len(tokens)), tokens]),
                   "margins": rounded(best_two.values[:, 0] - best_two.values[:, 1]),
                   "runner_up": best_two.indices[:, 1].tolist()},
        "mtp": {"drafts": drafts, "logprobs": rounded(draft_log),
                "accepted": [d == t for d, t in zip(drafts, tokens[1:])]}}


def long_prompt(tokenizer, chosen, length):
    """A chat of many held-out questions with their right answers, about `length` tokens."""
    turns = []
    for q in chosen[::37] + chosen[1::37]:
        turns += q.history + [(q.ask, q.answer)]
        ids, _ = conversations.encode(tokenizer, ("You are a helpful assistant.", turns))
        if len(ids) >= length:
            break
    return ids[:-len(tokenizer.encode_plain(turns[-1][1])) - 1]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-family", type=int, default=50)
    parser.add_argument("--model", type=Path, default=FOLDER)
    args = parser.parse_args()
    tokenizer = Tokenizer(args.model / "tokenizer.json")
    chosen = write_held_out(args.model / "heldout.jsonl", args.per_family)
    model = read_checkpoint(args.model)
    report("export", evaluate(model, tokenizer, chosen))

    model = model.double()
    families = list(questions.FAMILIES)
    cases = []
    for ask in FIXED:
        ids, _ = conversations.encode(tokenizer, ("", [(ask, "")]))
        cases.append(reference_case(model, ask, ids[:-1]))
    for family in families[::3]:
        q = next(q for q in chosen if q.family == family)
        cases.append(reference_case(model, family, conversations.prompt_of(tokenizer, q)[0]))
    cases.append(reference_case(model, "long", long_prompt(tokenizer, chosen, 300)))
    for case in cases:
        print(f"{case['name']}: {tokenizer.decode(case['greedy']['tokens'])}")
    content = {"format": 1, "model": "demo", "compute_dtype": "float64", "cases": cases}
    text = json.dumps(content, ensure_ascii=False).replace('{"name"', '\n{"name"')
    (args.model / "reference.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
