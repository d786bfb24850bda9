#!/usr/bin/env python3
"""Asks a running Baton the demo model's held-out questions and prints how many it gets right.

Reads model/demo/heldout.jsonl, asks over POST /v1/chat/completions at temperature 0, and prints
the accuracy by family. MTP acceptance and the experts' load come from GET /metrics, as the
difference between before and after; so nothing else should use the server meanwhile.
"""

import argparse
import concurrent.futures
import http.client
import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import checks
import metrics

HELD_OUT = Path(__file__).resolve().parents[2] / "model" / "demo" / "heldout.jsonl"
UNREACHABLE = (urllib.error.URLError, ConnectionError, TimeoutError, http.client.HTTPException)


def options(arguments):
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--url", default="http://127.0.0.1:8000",
                   help="where the gateway listens (default: %(default)s)")
    p.add_argument("--model", default="demo", help="served model name (default: %(default)s)")
    p.add_argument("--questions", type=Path, default=HELD_OUT,
                   help="JSON lines of questions (default: model/demo/heldout.jsonl)")
    p.add_argument("--limit", type=int, metavar="N",
                   help="ask only N questions, spread evenly over the families")
    p.add_argument("--family", help="ask only the questions of this family")
    p.add_argument("--concurrency", type=int, default=4, metavar="N",
                   help="requests in flight (default: %(default)s)")
    p.add_argument("--max-tokens", type=int, default=80, metavar="N",
                   help="longest answer (default: %(default)s)")
    p.add_argument("--timeout", type=float, default=120, metavar="SECONDS",
                   help="for one answer (default: %(default)s)")
    p.add_argument("--api-key", help="sent as bearer token")
    p.add_argument("--min-accuracy", type=float, metavar="X",
                   help="exit 1 if less than this share is right (0.95 means 95 percent)")
    p.add_argument("--json", type=Path, metavar="OUT",
                   help="write every answer and the summary to this file")
    args = p.parse_args(arguments)
    if args.concurrency < 1 or (args.limit is not None and args.limit < 1):
        p.error("--concurrency and --limit take whole numbers from 1")
    return args


def fetch(args, path, body=None):
    headers = {"content-type": "application/json"}
    if args.api_key:
        headers["authorization"] = f"Bearer {args.api_key}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(args.url.rstrip("/") + path, data, headers)
    with urllib.request.urlopen(request, timeout=args.timeout) as reply:
        return reply.read().decode("utf-8", errors="replace")


def ask(args, question):
    """One answer; an error of this one request is an answer that is wrong, with its reason."""
    body = {"model": args.model, "messages": question["messages"], "temperature": 0,
            "max_tokens": args.max_tokens}
    result = {"family": question["family"], "ask": question["messages"][-1]["content"],
              "expected": question["expected"], "answer": None, "right": False}
    try:
        reply = json.loads(fetch(args, "/v1/chat/completions", body))
        result["answer"] = reply["choices"][0]["message"]["content"] or ""
        result["tokens"] = reply.get("usage", {}).get("completion_tokens")
        result["right"] = checks.is_right(result["answer"], question["check"])
    except urllib.error.HTTPError as error:
        result["error"] = f"HTTP {error.code}: {error.read().decode(errors='replace')[:300]}"
    except UNREACHABLE as error:
        result["error"] = str(error) or type(error).__name__
    except (ValueError, KeyError, IndexError, TypeError) as error:
        result["error"] = f"reply is not a chat completion ({type(error).__name__}: {error})"
    return result


def read_questions(args):
    lines = args.questions.read_text(encoding="utf-8").split("\n")
    questions = [json.loads(line) for line in lines if line.strip()]
    if args.family:
        questions = [q for q in questions if q["family"] == args.family]
    if args.limit is not None and args.limit < len(questions):
        # The file is grouped by family: equal strides keep the mix.
        questions = [questions[i * len(questions) // args.limit] for i in range(args.limit)]
    return questions


def read_metrics(args):
    """The counters, or nothing where there is no such page: accuracy alone is worth a run."""
    try:
        return metrics.parse(fetch(args, "/metrics"))
    except UNREACHABLE:
        return []


def show_progress(done, total, right, started):
    if not sys.stderr.isatty() and done != total:
        return
    width = 30
    filled = width * done // total
    rate = done / max(1e-9, time.monotonic() - started)
    sys.stderr.write(f"\r[{'#' * filled}{'.' * (width - filled)}] {done}/{total}  "
                     f"{right} right  {rate:.1f}/s ")
    if done == total:
        sys.stderr.write("\n")
    sys.stderr.flush()


def ask_all(args, questions):
    results, right, started = [], 0, time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(args.concurrency) as pool:
        # map keeps the order of the questions, whatever the order of the answers.
        for result in pool.map(lambda q: ask(args, q), questions):
            results.append(result)
            right += result["right"]
            show_progress(len(results), len(questions), right, started)
    return results


def summarise(results, before, after):
    families = {}
    for result in results:
        families.setdefault(result["family"], []).append(result["right"])
    return {
        "accuracy": sum(r["right"] for r in results) / len(results),
        "families": {f: {"right": sum(r), "asked": len(r)} for f, r in families.items()},
        "errors": sum("error" in r for r in results),
        "mtp_acceptance": metrics.acceptance(before, after),
        "expert_load": metrics.load_spread(after)}


def print_summary(summary, results):
    print(f"{'family':<18}{'right':>7}{'asked':>7}{'accuracy':>10}")
    for family, counts in summary["families"].items():
        share = counts["right"] / counts["asked"]
        print(f"{family:<18}{counts['right']:>7}{counts['asked']:>7}{share:>10.1%}")
    right = sum(c["right"] for c in summary["families"].values())
    print(f"{'overall':<18}{right:>7}{len(results):>7}{summary['accuracy']:>10.1%}")
    if summary["errors"]:
        first = next(r["error"] for r in results if "error" in r)
        print(f"\n{summary['errors']} requests failed; the first: {first}")
    acceptance, load = summary["mtp_acceptance"], summary["expert_load"]
    print("\nMTP acceptance     "
          + ("not reported" if acceptance is None else f"{acceptance:.1%} of the drafts"))
    if not load:
        print("expert load        not reported")
        return
    print("expert load        busiest expert over the mean, by layer")
    for layer, spread in load.items():
        print(f"  layer {layer:<4}{spread:6.2f}")


def main(arguments=None):
    args = options(arguments)
    try:
        questions = read_questions(args)
    except (OSError, ValueError) as error:
        print(f"eval: cannot read the questions in {args.questions}: {error}", file=sys.stderr)
        return 1
    if not questions:
        print("eval: no such questions", file=sys.stderr)
        return 1
    try:
        fetch(args, "/v1/models")
    except urllib.error.HTTPError:
        pass  # something answers; what it makes of the questions will be seen
    except (*UNREACHABLE, ValueError) as error:
        reason = getattr(error, "reason", error)
        print(f"eval: nothing answers at {args.url} ({reason}); is `baton up` running?",
              file=sys.stderr)
        return 1
    before = read_metrics(args)
    results = ask_all(args, questions)
    summary = summarise(results, before, read_metrics(args))
    print_summary(summary, results)
    if args.json:
        text = json.dumps({"summary": summary, "answers": results}, ensure_ascii=False, indent=1)
        args.json.write_text(text + "\n", encoding="utf-8")
    if args.min_accuracy is not None and summary["accuracy"] < args.min_accuracy:
        print(f"eval: {summary['accuracy']:.1%} is below {args.min_accuracy:.1%}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
