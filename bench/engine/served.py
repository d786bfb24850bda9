#!/usr/bin/env python3
"""What a cluster of daemons gives of what its engine gives in one process.

Starts `baton up` with the model and, in turns with engine_bench on the same threads, measures
decode (tokens a second of all streams, while all of them run) and prefill (prompt tokens over the
time to first token). Then, with one thread a worker and each on a core of its own, how long a
stream's tokens are apart while a long prompt is prefilled, against an idle cluster.
"""

import argparse
import http.client
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

BIN = Path(__file__).resolve().parents[2] / "build" / "release" / "bin"


def options():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=Path, help="folder of the model")
    p.add_argument("--mode", default="fast", help="numeric mode (default: %(default)s)")
    p.add_argument("--threads", type=int, default=os.cpu_count(), help="of a worker (default: all)")
    p.add_argument("--batches", type=int, nargs="*", default=[1, 16], metavar="N",
                   help="streams at once (default: 1 16)")
    p.add_argument("--prompts", type=int, nargs="*", default=[512, 2048], metavar="N",
                   help="prompt lengths whose prefill is measured (default: 512 2048)")
    p.add_argument("--context", type=int, default=128, help="prompt of a stream (default: 128)")
    p.add_argument("--tokens", type=int, default=96, help="answer of a stream (default: 96)")
    p.add_argument("--long", type=int, default=8192, metavar="N",
                   help="prompt beside which a stream runs; 0: none (default: %(default)s)")
    p.add_argument("--tries", type=int, default=3, help="of each figure, a median (default: 3)")
    p.add_argument("--bin", type=Path, default=BIN, help="folder of the programs")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    return p.parse_args()


class Cluster:
    """A running `baton up`, ended with the block."""

    def __init__(self, args, threads):
        self.log = tempfile.TemporaryDirectory()
        command = [args.bin / "baton", "up", "--model", args.model, "--mode", args.mode,
                   "--port", "0", "--grpc-port", "0", "--log-dir", self.log.name,
                   "--prefill", f"threads={threads}", "--decode", f"threads={threads}",
                   "--no-enable-prefix-caching", "--served-model-name", "m",
                   "--max-model-len", max([args.long, 4096, *args.prompts]) + 1024]
        self.process = subprocess.Popen([str(c) for c in command], text=True,
                                        stdout=subprocess.PIPE)
        for line in self.process.stdout:
            if line.startswith("ready "):
                self.address = line.split()[1].removeprefix("http://")
                return
        sys.exit("served.py: `baton up` ended before it was ready")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.log.cleanup()

    def workers(self, name):
        """Process ids of the cluster's daemons of one role."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                pid = int(entry.parent.name)
                parent = int(entry.read_text().rsplit(")", 1)[1].split()[1])
                program = Path(os.readlink(entry.parent / "exe")).name
            except (OSError, ValueError):
                continue
            if parent == self.process.pid and program == name:
                found.append(pid)
        return found


def pin(pid, core):
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def stream(address, prompt, tokens):
    """Sends a prompt of random tokens; when it was sent, and when each piece of text came."""
    body = {"model": "m", "prompt": prompt, "max_tokens": tokens, "temperature": 0, "stream": True,
            "ignore_eos": True, "return_token_ids": True}
    connection = http.client.HTTPConnection(address, timeout=600)
    sent = time.monotonic()
    connection.request("POST", "/v1/completions", json.dumps(body),
                       {"content-type": "application/json"})
    answer = connection.getresponse()
    if answer.status != 200:
        sys.exit(f"served.py: {answer.status} {answer.read().decode()}")
    times = []
    for line in answer:
        if line.startswith(b"data: {"):
            event = json.loads(line[6:])
            if "error" in event:
                sys.exit(f"served.py: {event['error']}")
            count = sum(len(c.get("token_ids") or []) for c in event["choices"])
            times += [time.monotonic()] * count
    connection.close()
    return sent, times


def random_prompt(length):
    return [random.randrange(100, 20000) for _ in range(length)]


def together(address, streams, prompt, tokens):
    """Runs streams at once; tokens a second from the last one's first to the first one's last."""
    results = [None] * streams
    prompts = [random_prompt(prompt) for _ in range(streams)]

    def one(i):
        results[i] = stream(address, prompts[i], tokens)[1]

    threads = [threading.Thread(target=one, args=(i,)) for i in range(streams)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    begin, end = max(r[0] for r in results), min(r[-1] for r in results)
    within = sum(begin < t <= end for r in results for t in r)
    return within / (end - begin)


def engine(args, *more):
    command = [args.bin / "engine_bench", args.model, "--mode", args.mode, "--threads",
               args.threads, "--json", "--tries", 3, *more]
    return json.loads(subprocess.run([str(c) for c in command], check=True, text=True,
                                     stdout=subprocess.PIPE).stdout)


def figure(name, served, alone):
    served, alone = statistics.median(served), statistics.median(alone)
    return {"what": name, "served": served, "in_process": alone, "ratio": served / alone}


def decode(args, cluster, streams):
    # The long run in which all streams are under way has about this context.
    context = args.context + args.tokens // 2
    served, alone = [], []
    for _ in range(args.tries):
        tokens = args.tokens + streams * args.context // 16  # the first waits for the last
        served.append(together(cluster.address, streams, args.context, tokens))
        found = engine(args, "--prompts", 0, "--batches", streams, "--contexts", context)
        alone.append(found["decode"][0]["tok_s"])
    return figure(f"decode, {streams} streams, tok/s", served, alone)


def prefill(args, cluster, length):
    served, alone = [], []
    for _ in range(args.tries):
        sent, times = stream(cluster.address, random_prompt(length), 1)
        served.append(length / (times[0] - sent))
        found = engine(args, "--prompts", length, "--contexts", 0)
        alone.append(found["prefill"][0]["tok_s"])
    return figure(f"prefill, {length} tokens, tok/s", served, alone)


def gaps(times):
    return [1e3 * (b - a) for a, b in zip(times, times[1:])]


def p99(values):
    return sorted(values)[int(0.99 * (len(values) - 1))]


def beside_a_long_prompt(args):
    with Cluster(args, threads=1) as cluster:
        for core, name in enumerate(["baton-decode", "baton-prefill"]):
            for pid in cluster.workers(name):
                pin(pid, core % os.cpu_count())
        idle, beside = [], []
        for _ in range(args.tries):
            idle += gaps(stream(cluster.address, random_prompt(args.context), 200)[1])
            ended = threading.Event()
            long = {}

            def prompt():
                sent, times = stream(cluster.address, random_prompt(args.long), 1)
                long["span"] = (sent, times[0])
                ended.set()

            other = threading.Thread(target=prompt)
            times, began = [], False
            while not ended.is_set():
                if not began:
                    other.start()
                    began = True
                times.append(stream(cluster.address, random_prompt(args.context), 100)[1])
            other.join()
            begin, end = long["span"]
            for some in times:
                beside += gaps([t for t in some if begin < t < end])
        return {"what": f"tokens apart beside a prompt of {args.long}, p99 ms",
                "beside": p99(beside), "idle": p99(idle), "ratio": p99(beside) / p99(idle),
                "beside_p50": statistics.median(beside), "idle_p50": statistics.median(idle)}


def main():
    args = options()
    found = []

    def say(f):
        found.append(f)
        if not args.json:
            numbers = ", ".join(f"{k} {v:.2f}" for k, v in f.items() if k != "what")
            print(f"{f['what']}: {numbers}", flush=True)

    with Cluster(args, args.threads) as cluster:
        together(cluster.address, 1, 64, 16)  # warm
        for streams in args.batches:
            say(decode(args, cluster, streams))
        for length in args.prompts:
            say(prefill(args, cluster, length))
    if args.long:
        say(beside_a_long_prompt(args))
    if args.json:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
