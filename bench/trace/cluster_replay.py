#!/usr/bin/env python3
"""Replays the first requests of a trace through a local cluster: caching off, in each prefill
instance, and shared through the kvstore. Prints what was cached, computed and waited for."""
import argparse
import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "bench" / "eval"))
from metrics import parse, total  # noqa: E402

BLOCK_TOKENS = 512  # of a trace
HEARTBEATS_S = 2    # that bring metrics
CONFIGURATIONS = {
    "off": ["--no-enable-prefix-caching", "--no-kvstore"],
    "local": ["--no-kvstore"],
    "shared": [],
}


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trace", required=True, type=pathlib.Path,
                        help="one JSON object a line: timestamp, input_length, output_length, "
                             "hash_ids")
    parser.add_argument("--requests", type=int, default=100, help="the first so many [100]")
    parser.add_argument("--divide", type=int, default=8,
                        help="of all lengths; 8 makes a block of the trace a page [8]")
    parser.add_argument("--speed", type=float, default=1, help="times pass so much faster [1]")
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "model" / "demo")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build" / "release" / "bin")
    parser.add_argument("--mode", default="fast", help="numeric mode [fast]")
    parser.add_argument("--prefill", default="instances=2", help="layout of prefill [instances=2]")
    parser.add_argument("--json", type=pathlib.Path, help="also write the figures to this file")
    return parser.parse_args()


def best_possible(trace, requests, divide):
    """Share of prompt tokens that lie in whole blocks seen before: nothing is ever forgotten."""
    seen, hits, tokens = set(), 0, 0
    block = BLOCK_TOKENS // divide
    with trace.open() as lines:
        for _, line in zip(range(requests), lines):
            request = json.loads(line)
            length = request["input_length"] // divide
            tokens += length
            known = 0
            for name in request["hash_ids"]:
                if name not in seen:
                    break
                known += 1
            hits += min(known * block, length)
            seen.update(request["hash_ids"])
    return hits / tokens


@contextlib.contextmanager
def cluster(o, flags):
    command = [o.bin / "baton-up", "--model", o.model, "--port", "0", "--grpc-port", "0",
               "--mode", o.mode, "--prefill", o.prefill, *flags]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            ready = process.stdout.readline().split()
            if not ready:
                errors.seek(0)
                raise SystemExit(errors.read().decode() or "the cluster did not start")
            yield ready[-1]
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()


def computed_tokens(url):
    with urllib.request.urlopen(url + "/metrics") as answer:
        return total(parse(answer.read().decode()), "baton_prefill_rows_total") or 0


def replay(o, flags):
    with cluster(o, flags) as url, tempfile.NamedTemporaryFile(suffix=".json") as figures:
        subprocess.run([o.bin / "baton-bench", "--url", url, "--trace", o.trace, "--requests",
                        str(o.requests), "--trace-divide", str(o.divide), "--speed", str(o.speed),
                        "--warmup", "1", "--json", figures.name],
                       stdout=subprocess.DEVNULL, check=False)
        text = pathlib.Path(figures.name).read_text()
        if not text:
            raise SystemExit("baton bench gave no figures")
        result = json.loads(text)
        # Heartbeats bring the workers' counts: the last ones are there when they stand still.
        before = None
        while before != (computed := computed_tokens(url)):
            before = computed
            time.sleep(HEARTBEATS_S)
        result["computed_tokens"] = computed
    return result


def main():
    o = options()
    bound = best_possible(o.trace, o.requests, o.divide)
    print(f"{o.requests} requests, lengths divided by {o.divide}, {o.speed:g} times as fast, "
          f"mode {o.mode}, "
          f"prefill {o.prefill}; of their prompt tokens {bound:.2%} lie in blocks that came before")
    print("| caching | failed | cached | computed tokens | saved | TTFT p50 ms | TTFT p99 ms |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    results = {}
    for name, flags in CONFIGURATIONS.items():
        result = results[name] = replay(o, flags)
        saved = 1 - result["computed_tokens"] / max(1, results["off"]["computed_tokens"])
        cached = result["total_cached_tokens"] / result["total_input_tokens"]
        print(f"| {name} | {result['failed']} | {cached:.2%} | {result['computed_tokens']:.0f} "
              f"| {saved:.2%} | {result['median_ttft_ms']:.0f} | {result['p99_ttft_ms']:.0f} |",
              flush=True)
    if o.json:
        o.json.write_text(json.dumps({"best_possible": bound, **results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
