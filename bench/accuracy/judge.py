#!/usr/bin/env python3
"""Judges the answers that accuracy_bench kept: how many each mode has right, by the rules of
bench/eval. Exit 1 where a mode has fewer right than exact by more than --points."""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "eval"))

import checks  # noqa: E402


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("answers", type=Path, help="what accuracy_bench --json wrote")
    p.add_argument("--points", type=float, default=0.5, metavar="X",
                   help="percentage points that a mode may lose (default: %(default)s)")
    args = p.parse_args()
    worst = 0.0
    for mode, result in json.loads(args.answers.read_text(encoding="utf-8"))["modes"].items():
        answers = result["answers"]
        share = {who: sum(checks.is_right(a[who], a["question"]["check"]) for a in answers)
                 / len(answers) for who in ("exact", "mode")}
        lost = 100 * (share["exact"] - share["mode"])
        worst = max(worst, lost)
        print(f"{mode}: {share['mode']:.2%} right, exact {share['exact']:.2%}: "
              f"{lost:+.2f} points lost")
    return 1 if worst > args.points else 0


if __name__ == "__main__":
    sys.exit(main())
