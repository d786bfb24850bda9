"""Tests of the evaluation against a small server that answers by rule."""

import contextlib
import http.server
import io
import json
import tempfile
import threading
import unittest
from pathlib import Path

import checks
import eval as evaluation
import metrics

QUESTIONS = [
    {"family": "addition", "messages": [{"role": "user", "content": "What is 1 + 2?"}],
     "check": {"rule": "last_number", "value": 3}, "expected": "1 + 2 = 3"},
    {"family": "upper_case", "messages": [{"role": "user", "content": "sun"}],
     "check": {"rule": "equals", "value": "SUN"}, "expected": "SUN"},
    {"family": "upper_case", "messages": [{"role": "user", "content": "fail"}],
     "check": {"rule": "equals", "value": "FAIL"}, "expected": "FAIL"},
]


class FakeServer(http.server.BaseHTTPRequestHandler):
    """Knows the answers to all but the last question; its counters grow with each request."""

    asked = 0
    reports = True

    def do_GET(self):
        if self.path == "/metrics" and type(self).reports:
            n = type(self).asked
            self.reply(200, "# TYPE baton_mtp_drafted_tokens_total counter\n"
                       f"baton_mtp_drafted_tokens_total {100 + 10 * n}\n"
                       f"baton_mtp_accepted_tokens_total {50 + 9 * n}\n"
                       'baton_expert_load_ratio{layer="1",instance="prefill-0"} 1.25\n'
                       'baton_expert_load_ratio{layer="1",instance="decode-0"} 1.5\n')
        elif self.path == "/v1/models":
            self.reply(200, "{}")
        else:
            self.reply(404, "{}")

    def do_POST(self):
        type(self).asked += 1
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        ask = body["messages"][-1]["content"]
        if ask == "fail":
            self.reply(503, '{"error": {"message": "full"}}')
            return
        answer = {"What is 1 + 2?": "1 + 2 = 3", "sun": "SUN\n"}[ask]
        self.reply(200, json.dumps({"choices": [{"message": {"content": answer}}],
                                    "usage": {"completion_tokens": 4}}))

    def reply(self, status, text):
        data = text.encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *unused):
        pass


class EvalTest(unittest.TestCase):
    def setUp(self):
        FakeServer.asked, FakeServer.reports = 0, True
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeServer)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.folder = tempfile.TemporaryDirectory()
        self.questions = Path(self.folder.name) / "questions.jsonl"
        self.questions.write_text("".join(json.dumps(q) + "\n" for q in QUESTIONS))

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()
        self.folder.cleanup()

    def run_eval(self, *more):
        out, err = io.StringIO(), io.StringIO()
        url = f"http://127.0.0.1:{self.server.server_address[1]}"
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = evaluation.main(["--url", url, "--questions", str(self.questions), *more])
        return status, out.getvalue(), err.getvalue()

    def test_counts_by_family_and_reads_counters(self):
        saved = Path(self.folder.name) / "out.json"
        status, out, _ = self.run_eval("--json", str(saved), "--concurrency", "2")
        self.assertEqual(status, 0)
        summary = json.loads(saved.read_text())["summary"]
        self.assertEqual(summary["families"], {"addition": {"right": 1, "asked": 1},
                                               "upper_case": {"right": 1, "asked": 2}})
        self.assertEqual(summary["errors"], 1)
        self.assertAlmostEqual(summary["mtp_acceptance"], 0.9)
        self.assertAlmostEqual(summary["expert_load"]["1"], 1.5)
        self.assertIn("HTTP 503", out)
        self.assertIn("90.0% of the drafts", out)

    def test_missing_counters_are_said_to_be_missing(self):
        FakeServer.reports = False
        status, out, _ = self.run_eval()
        self.assertEqual(status, 0)
        self.assertEqual(out.count("not reported"), 2)

    def test_minimum_accuracy(self):
        self.assertEqual(self.run_eval("--min-accuracy", "0.6")[0], 0)
        status, _, err = self.run_eval("--min-accuracy", "0.9")
        self.assertEqual(status, 1)
        self.assertIn("66.7% is below 90.0%", err)

    def test_limit_and_family(self):
        _, out, _ = self.run_eval("--limit", "1")
        self.assertNotIn("upper_case", out)
        _, out, _ = self.run_eval("--family", "addition")
        self.assertIn("100.0%", out)

    def test_no_server(self):
        err = io.StringIO()
        with contextlib.redirect_stderr(err):
            status = evaluation.main(["--url", "http://127.0.0.1:1",
                                      "--questions", str(self.questions)])
        self.assertEqual(status, 1)
        self.assertIn("nothing answers at http://127.0.0.1:1", err.getvalue())


class CheckTest(unittest.TestCase):
    def test_rules(self):
        for rule, text, value, right in [
                ("last_number", "37 + 48 = 85.", 85, True), ("last_number", "85 or 86", 85, False),
                ("last_number", "none", 85, False), ("contains", "It is Paris.", "Paris", True),
                ("contains", "p-l-a-n-e-t", "p-l-a-n-e", False),
                ("contains", "17, 41, 93", "7, 41, 93", False),
                ("equals", " SUN\n", "SUN", True), ("json", '{"a": 5}', {"a": 5}, True),
                ("json", '{"a": 5', {"a": 5}, False)]:
            with self.subTest(rule=rule, text=text):
                self.assertEqual(checks.is_right(text, {"rule": rule, "value": value}), right)

    def test_exposition(self):
        samples = metrics.parse('# HELP x y\nx{a="1",b="q\\"r"} 2 1700\nx 3\nbad\n')
        self.assertEqual(metrics.total(samples, "x"), 5)
        self.assertIsNone(metrics.total(samples, "y"))


if __name__ == "__main__":
    unittest.main()
