"""An answer, prefilled in one process and decoded in another, over every door there is.

It must be the model's own: what the training framework computed from the same weights.
"""
import json
import pathlib
import subprocess
import tempfile
import threading
import unittest

from cluster import BIN, Cluster, DEMO

QUESTION = {"role": "user", "content": "What is 37 + 48?"}
REFERENCE = json.loads((DEMO / "reference.json").read_text())


class FirstLight(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()

    @classmethod
    def tearDownClass(cls):
        status = cls.cluster.stop()
        assert status == 0, f"drained with status {status}{cls.cluster.logs()}"

    def chat(self, **fields):
        return {"model": "demo", "messages": [QUESTION], "temperature": 0, **fields}

    def expected(self):
        case = next(c for c in REFERENCE["cases"] if c["name"] == QUESTION["content"])
        tokens = [t for t in case["greedy"]["tokens"] if t != 1]  # 1 ends the answer
        return self.cluster.ask("/detokenize", {"model": "demo", "tokens": tokens})[2]["prompt"]

    def test_the_answer_is_the_models_and_counted(self):
        status, headers, answer = self.cluster.ask("/v1/chat/completions", self.chat())
        self.assertEqual(status, 200)
        choice = answer["choices"][0]
        self.assertEqual(choice["message"]["content"], self.expected())
        self.assertIn("85", choice["message"]["content"])
        self.assertEqual(choice["finish_reason"], "stop")
        usage = answer["usage"]
        self.assertEqual(usage["total_tokens"], usage["prompt_tokens"] + usage["completion_tokens"])
        self.assertIn("x-request-id", {k.lower() for k in headers})

    def test_its_prompt_was_prefilled_by_the_prefill_process(self):
        before = self.metric("baton_prefill_jobs_committed_total")
        self.cluster.ask("/v1/chat/completions", self.chat())
        self.cluster.ask("/v1/chat/completions", self.chat())
        moment = threading.Event()
        for _ in range(600):  # heartbeats bring the counters
            if self.metric("baton_prefill_jobs_committed_total") >= before + 2:
                return
            moment.wait(0.05)
        self.fail("prefill committed no job")

    def metric(self, name):
        text = self.cluster.ask("/metrics")[2].decode()
        return sum(float(line.split()[-1]) for line in text.split("\n") if line.startswith(name))

    def test_the_stream_says_the_same(self):
        whole = self.cluster.ask("/v1/chat/completions", self.chat())[2]
        events = list(self.cluster.stream("/v1/chat/completions",
                                          self.chat(stream_options={"include_usage": True})))
        self.assertEqual(events[-1], "[DONE]")
        self.assertEqual(events[0]["choices"][0]["delta"]["role"], "assistant")
        text = "".join(e["choices"][0]["delta"].get("content") or ""
                       for e in events[:-1] if e["choices"])
        self.assertEqual(text, whole["choices"][0]["message"]["content"])
        self.assertEqual(events[-2]["usage"], whole["usage"])

    def test_the_doors_that_monitors_knock_at(self):
        for path in ("/livez", "/health", "/readyz", "/metrics", "/v1/models", "/debug/kv"):
            self.assertEqual(self.cluster.ask(path)[0], 200, path)
        self.assertEqual(self.cluster.ask("/v1/models")[2]["data"][0]["id"], "demo")

    def test_text_goes_through_the_tokenizer_and_back(self):
        tokens = self.cluster.ask("/tokenize", {
            "model": "demo", "prompt": "What is 1?", "add_special_tokens": False})[2]["tokens"]
        text = self.cluster.ask("/detokenize", {"model": "demo", "tokens": tokens})[2]
        self.assertEqual(text["prompt"], "What is 1?")

    def test_n_choices_and_a_seed(self):
        body = self.chat(n=3, temperature=1.5, seed=7, max_tokens=12)
        first = self.cluster.ask("/v1/chat/completions", body)[2]["choices"]
        again = self.cluster.ask("/v1/chat/completions", body)[2]["choices"]
        self.assertEqual([c["index"] for c in first], [0, 1, 2])
        self.assertEqual(first, again)

    def test_the_terminal_chat_answers(self):
        done = subprocess.run(
            [BIN / "baton", "chat", "--url", f"http://{self.cluster.host}:{self.cluster.port}",
             "--temperature", "0", "--once", QUESTION["content"]],
            capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.strip(), self.expected())

    def test_the_load_generator_counts_what_came(self):
        with tempfile.TemporaryDirectory(prefix="baton-e2e-") as folder:
            figures = pathlib.Path(folder) / "figures.json"
            trace = pathlib.Path(folder) / "trace.jsonl"
            trace.write_text("".join(json.dumps({
                "timestamp": 10 * i, "input_length": 513, "output_length": 24,
                "hash_ids": [0, i + 1]}) + "\n" for i in range(4)))
            for flags, prompt, output in (
                    (("--requests", "6", "--rate", "200", "--input-len", "20", "--output-len", "5"),
                     6 * 20, 6 * 5),
                    (("--trace", trace, "--trace-divide", "8"), 4 * 64, 4 * 3)):
                done = subprocess.run(
                    [BIN / "baton", "bench", "--url",
                     f"http://{self.cluster.host}:{self.cluster.port}", "--json", figures,
                     "--slo-ttft-ms", "60000", *flags], capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                said = json.loads(figures.read_text())
                self.assertEqual(said["total_input_tokens"], prompt)
                self.assertEqual(said["total_output_tokens"], output)
                self.assertEqual(said["failed"], 0)
                self.assertGreater(said["mean_ttft_ms"], 0)
                self.assertAlmostEqual(said["request_goodput"], said["request_throughput"])

    def test_a_bare_environment_is_enough(self):
        bare = Cluster(environment={})
        self.assertEqual(bare.ask("/readyz")[0], 200)
        self.assertEqual(bare.stop(), 0)

    def test_inspect_says_what_the_model_is(self):
        done = subprocess.run([BIN / "baton", "inspect", DEMO, "--json"], capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("DeepseekV3ForCausalLM", json.dumps(json.loads(done.stdout)))


if __name__ == "__main__":
    unittest.main()
