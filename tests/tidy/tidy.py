#!/usr/bin/env python3
"""The repository checks itself: layers, ceilings, banned names, header paragraphs, READMEs, tests.

Run from anywhere; prints one line a finding and ends with status 1 if there is one. `--self-test`
shows that each rule can fail.
"""
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# A file may include files of its own room and of rooms with a lower level.
LEVELS = {
    "base": 0, "proto": 10, "parallel": 10, "model/kernels": 10, "kvcache": 20,
    "model/checkpoint": 30, "model/text": 30, "scheduler": 30, "model/constraint": 31,
    "model/layers": 31, "kvcache/store": 31, "kvcache/client": 32, "model": 32,
    "prefill": 40, "decode": 40, "server/relay": 40, "server": 50, "deploy": 60,
}
ROOMS = [room for room in LEVELS if "/" not in room]
LINES_MAX, FUNCTION_LINES_MAX, COLUMNS_MAX, README_LINES_MAX = 500, 70, 100, 60

# pattern, where it is allowed (path prefixes), why it is banned elsewhere
BANNED = [
    (r"steady_clock::now|system_clock::now|std::random_device", ["base/", "deploy/examples/"], "time and chance are passed in"),
    (r"\bsleep_for\b|\busleep\(|\bsleep_until\b", ["base/"], "nothing sleeps"),
    (r"asio::detached|\.detach\(\)", [], "every coroutine belongs to a TaskGroup"),
    (r"\bgetenv\b", ["base/", "tests/support/", "tests/simulation/"], "settings are parsed once"),
    (r'#include [<"]mpi\.h', ["parallel/"], "MPI stays in parallel/"),
    (r"#include <boost/beast", ["server/", "tests/server/"], "Beast stays in server/"),
    (r'#include [<"](grpc|google/protobuf)|\.pb\.h"', ["proto/", "tests/proto/", "deploy/examples/"],
     "generated code stays in proto/"),
    (r"#include <Eigen", ["tests/", "bench/"], "Eigen stays off the byte-exact path"),
    (r"\b(TODO|FIXME|XXX|HACK)\b", [], "nothing is left undone"),
    (r"MPI_SUM", [], "floats are added in the canonical order only"),
    (r"co_spawn\([^;]*\[[^\]]+\]", ["base/"], "no capturing coroutine lambdas"),
]
# Expected text that would be harder to read if it were wrapped.
LONG_LINES = ("tests/text/jinja/make_cases.py",)
BANNED_IN_TEXT = [(r"(^|[^\w.])/(work|farm|root)/", "a machine's path")]

# Units without a test file of their own, and what covers them.
UNTESTED = {
    "model/layers/attention/attention.cpp": "tests/layers/exact_attention_test.cpp, fast_attention_test.cpp",
    "model/layers/mlp/mlp.cpp": "tests/layers/exact_mlp_test.cpp, fast_mlp_test.cpp",
    "deploy/convert.cpp": "tests/deploy/convert_test.py",
    "base/io/asio.cpp": "compiles a library",
    "server/http/beast.cpp": "compiles a library",
    "parallel/world.cpp": "tests/parallel/world_ranks.cpp, under mpirun",
    "parallel/exchange/local_port.cpp": "tests/parallel/exchange/port_test.cpp, one contract for every body of ports",
    "parallel/exchange/delayed_port.cpp": "tests/parallel/exchange/port_test.cpp",
    "parallel/exchange/mpi_port.cpp": "tests/parallel/world_ranks.cpp, under mpirun",
    "parallel/exchange/collectives.cpp": "tests/parallel/exchange/port_contract.h",
    "proto/direct.cpp": "tests/proto/link_test.cpp, one suite for every body of links",
    "proto/grpc_link.cpp": "tests/proto/link_test.cpp",
    "proto/grpc_internal.cpp": "tests/proto/link_test.cpp",
    "proto/grpc_inference_client.cpp": "tests/proto/inference_test.cpp",
    "proto/grpc_inference_server.cpp": "tests/proto/inference_test.cpp",
    "proto/grpc_refusal.cpp": "tests/proto/inference_test.cpp",
    "deploy/announce.cpp": "tests/e2e",
    "deploy/cluster.cpp": "tests/e2e",
    "deploy/inspect.cpp": "tests/deploy/inspect_test.py",
    "deploy/single_process.cpp": "tests/e2e/same_bytes_test.py",
    "model/kernels/paths/path_amx.cpp": "tests/kernels/emulated_paths.cpp",
    "model/kernels/paths/path_avx2.cpp": "tests/kernels/kernels_test.cpp",
    "model/kernels/paths/path_avx512.cpp": "tests/kernels/emulated_paths.cpp",
    "model/kernels/paths/path_portable.cpp": "tests/kernels/kernels_test.cpp",
    "model/kernels/paths/path_vnni.cpp": "tests/kernels/emulated_paths.cpp",
}
# Programs and the shells around the machines: tests/e2e runs them.
END_TO_END = ("_main", "_worker", "_service", "_program")


def tracked():
    names = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True,
                           check=True).stdout.split("\n")
    return [n for n in names if n and (ROOT / n).is_file()]


def room_of(path):
    """The most specific room that holds the path, or None (tests, bench)."""
    best = None
    for room in LEVELS:
        if path.startswith(room + "/") and (best is None or len(room) > len(best)):
            best = room
    return best


def check_includes(path, text):
    room = room_of(path)
    if room is None:
        return
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r'#include "([^"]+)"', line)
        if not match or match[1].endswith((".pb.h", ".grpc.pb.h")):
            continue
        target = room_of(match[1])
        if target is None:
            yield f"{path}:{number}: includes {match[1]}, which is not named from the root"
        elif target != room and LEVELS[target] >= LEVELS[room]:
            yield f"{path}:{number}: {room} may not include {target} (not below it)"


def check_ceilings(path, text):
    lines = text.rstrip("\n").split("\n")
    if len(lines) > LINES_MAX:
        yield f"{path}: {len(lines)} lines, more than {LINES_MAX}"
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX and "http" not in line and path not in LONG_LINES:
            yield f"{path}:{number}: {len(line)} columns, more than {COLUMNS_MAX}"
    if path.endswith((".cpp", ".h")):
        yield from check_functions(path, lines)


def check_functions(path, lines):
    """A function is a block that opens at the end of a line with (...) and closes at its indent."""
    start = None
    for number, line in enumerate(lines, 1):
        if start is None:
            head = re.match(r"^( {0,4})\S", line)
            opens = line.endswith(" {") and "({" not in line and not re.match(
                r"\s*(namespace|class|struct|enum|union|extern|if|for|while|switch|else|do|try)\b", line)
            if head and opens and line.lstrip().startswith(": "):  # a constructor's initialisers
                head = re.match(r"^( *)", line[4:])
            if head and opens and line.count(")") > line.count("("):  # parameters went on here
                above = next(x for x in reversed(lines[:number - 1]) if not x.startswith("    "))
                head = re.match(r"^( *)", above)
            if head and opens and (")" in line or re.search(r"(const|noexcept|override|final) \{$", line)):
                start = (number, head[1])
        elif line.startswith(start[1] + "}") or line.rstrip().endswith(") {}"):
            length = number - start[0] + 1
            if length > FUNCTION_LINES_MAX:
                yield f"{path}:{start[0]}: a function of {length} lines, more than {FUNCTION_LINES_MAX}"
            start = None


def check_banned(path, text):
    for pattern, allowed, why in BANNED:
        if any(path.startswith(prefix) for prefix in allowed):
            continue
        for number, line in enumerate(text.split("\n"), 1):
            if re.search(pattern, line):
                yield f"{path}:{number}: '{line.strip()[:60]}': {why}"


def check_header(path, text):
    first = text.split("\n", 1)[0]
    if not first.startswith("// ") or len(first) < 20:
        yield f"{path}:1: a header opens with a paragraph that says what it is"
    if "#pragma once" not in text:
        yield f"{path}: no #pragma once"


def check_readmes(paths):
    folders = {str(pathlib.PurePosixPath(p).parent) for p in paths if p.endswith((".cpp", ".h", ".py"))}
    needed = {f.split("/")[0] for f in folders if f != "."}
    needed |= {f for f in folders if f in LEVELS}
    for folder in sorted(needed):
        if f"{folder}/README.md" not in paths:
            yield f"{folder}: no README.md"
    for path in paths:
        if path.endswith("README.md") and "/" in path:
            count = len((ROOT / path).read_text().rstrip("\n").split("\n"))
            if count > README_LINES_MAX:
                yield f"{path}: {count} lines, more than {README_LINES_MAX}"


def check_units_are_tested(paths):
    tests = {pathlib.PurePosixPath(p).stem.removesuffix("_test") for p in paths
             if p.startswith("tests/") and p.endswith("_test.cpp")}
    for path in paths:
        if room_of(path) is None or not path.endswith(".cpp") or path in UNTESTED:
            continue
        name = pathlib.PurePosixPath(path).stem
        if name.endswith(END_TO_END):
            continue
        # x_avx2.cpp, x_tcp.cpp: the parts of unit x are covered by x_test.cpp.
        parts = name.split("_")
        if not any("_".join(parts[:n]) in tests for n in range(len(parts), 0, -1)):
            yield f"{path}: no test {name}_test.cpp"


def findings(paths):
    for path in paths:
        if not path.endswith((".cpp", ".h", ".py", ".sh", ".cmake", ".txt", ".md", ".proto")):
            continue
        text = (ROOT / path).read_text(errors="replace")
        if path != "tests/tidy/tidy.py":
            for pattern, why in BANNED_IN_TEXT:
                if re.search(pattern, text, re.M):
                    yield f"{path}: {why}"
        if path.endswith((".cpp", ".h", ".py")):
            yield from check_ceilings(path, text) if path != "tests/tidy/tidy.py" else ()
        if path.endswith((".cpp", ".h")):
            yield from check_includes(path, text)
            yield from check_banned(path, text)
        if path.endswith(".h") and not path.startswith("tests/"):
            yield from check_header(path, text)
    yield from check_readmes(paths)
    yield from check_units_are_tested(paths)


class SelfTest(unittest.TestCase):
    """Each rule finds the fault it is there for."""

    def test_layers(self):
        self.assertTrue(list(check_includes("kvcache/a.cpp", '#include "server/b.h"')))
        self.assertTrue(list(check_includes("prefill/a.cpp", '#include "decode/b.h"')))
        self.assertFalse(list(check_includes("decode/a.cpp", '#include "kvcache/b.h"')))

    def test_ceilings(self):
        self.assertTrue(list(check_ceilings("base/a.md", "x\n" * 501)))
        self.assertTrue(list(check_ceilings("base/a.cpp", "x" * 101)))
        long_function = "int f() {\n" + "  g();\n" * 70 + "}\n"
        self.assertTrue(list(check_ceilings("base/a.cpp", long_function)))
        self.assertFalse(list(check_ceilings("base/a.cpp", "int f() {\n  g();\n}\n")))

    def test_banned(self):
        self.assertTrue(list(check_banned("decode/a.cpp", "auto t = std::chrono::steady_clock::now();")))
        self.assertFalse(list(check_banned("base/a.cpp", "auto t = std::chrono::steady_clock::now();")))
        self.assertTrue(list(check_banned("decode/a.cpp", "#include <mpi.h>")))

    def test_headers(self):
        self.assertTrue(list(check_header("base/a.h", "#pragma once")))

    def test_units(self):
        self.assertTrue(list(check_units_are_tested(["base/x.cpp"])))
        self.assertFalse(list(check_units_are_tested(["base/x.cpp", "tests/base/x_test.cpp"])))


if __name__ == "__main__":
    if "--self-test" in sys.argv:
        unittest.main(argv=[sys.argv[0]])
    found = list(findings(tracked()))
    print("\n".join(found) if found else "tidy")
    sys.exit(1 if found else 0)
