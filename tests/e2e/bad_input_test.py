"""Bad input gets one clear sentence and the right status, and the cluster goes on serving."""
import json
import pathlib
import shutil
import socket
import subprocess
import tempfile
import unittest

from cluster import BIN, Cluster, DEMO

GOOD = {"model": "demo", "messages": [{"role": "user", "content": "What is 1 + 1?"}],
        "max_tokens": 3, "temperature": 0}


class BadRequests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()

    @classmethod
    def tearDownClass(cls):
        assert cls.cluster.stop() == 0

    def tearDown(self):
        self.assertEqual(self.cluster.ask("/v1/chat/completions", GOOD)[0], 200)

    def refused(self, status, path, body, param=None, method=None):
        got, _, answer = self.cluster.ask(path, body, method)
        self.assertEqual(got, status, answer)
        error = answer["error"]
        self.assertTrue(error["message"])
        self.assertIn("type", error)
        self.assertIn("code", error)
        if param:
            self.assertEqual(error["param"], param)

    def test_json_that_is_none(self):
        for body in (b"", b"{", b"[]", b'{"model":', b'{"a":1,"a":2}', b"\xff", b"[" * 5000):
            self.refused(400, "/v1/chat/completions", body, method="POST")

    def test_fields_out_of_range_are_named(self):
        for field, value in [("temperature", 3), ("temperature", "hot"), ("top_p", 0),
                             ("top_k", -2), ("min_p", 2), ("n", 0), ("n", 10_000),
                             ("max_tokens", 0), ("max_tokens", -1), ("presence_penalty", 9),
                             ("top_p", 1e-300), ("stop", [""] * 99), ("seed", 1.5),
                             ("logit_bias", {"999999999": 1}), ("logit_bias", {"x": 1}),
                             ("top_logprobs", 21), ("messages", []),
                             ("messages", "hi"), ("stream", "yes")]:
            with self.subTest(field=field, value=value):
                self.refused(400, "/v1/chat/completions", {**GOOD, field: value}, field)

    def test_numbers_that_json_does_not_have(self):
        for number in ("1e999", "NaN", "Infinity", "-Infinity"):
            body = json.dumps(GOOD).replace('"temperature": 0', f'"temperature": {number}')
            self.refused(400, "/v1/chat/completions", body)

    def test_a_prompt_longer_than_the_context(self):
        self.refused(400, "/v1/completions", {"model": "demo", "prompt": [65] * 200_000})

    def test_token_ids_outside_the_vocabulary(self):
        for ids in ([10**9], [-1], [0.5]):
            self.refused(400, "/v1/completions", {"model": "demo", "prompt": ids})

    def test_unknown_things(self):
        self.refused(404, "/v1/chat/completions", {**GOOD, "model": "gpt"})
        self.refused(404, "/v1/nothing", None)
        self.refused(405, "/v1/chat/completions", None, method="GET")

    def test_broken_http(self):
        for head in (b"GARBAGE\r\n\r\n",
                     b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n" + b"x" * 40_000,
                     b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"):
            with socket.create_connection((self.cluster.host, self.cluster.port), 10) as connection:
                connection.sendall(head)
                self.assertRegex(connection.recv(100), rb"^HTTP/1.1 4\d\d ")


class BadModels(unittest.TestCase):
    """`baton up` and `baton inspect` refuse a bad folder at once, in one sentence."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.model = pathlib.Path(self.folder.name) / "model"
        shutil.copytree(DEMO, self.model, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        self.shard = sorted(self.model.glob("*.safetensors"))[0]

    def refused(self, *words):
        for command in (["up", "--port", "0", "--grpc-port", "0", "--model"], ["inspect"]):
            done = subprocess.run([BIN / "baton", *command, self.model], capture_output=True,
                                  text=True, timeout=30)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertEqual(done.stderr.strip().count("\n"), 0, done.stderr)
            for word in words:
                self.assertIn(word, done.stderr)

    def change_config(self, **fields):
        path = self.model / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))

    def test_a_short_file(self):
        data = self.shard.read_bytes()
        self.shard.write_bytes(data[: len(data) // 2])
        self.refused(self.shard.name)

    def test_a_header_that_is_not_json(self):
        data = bytearray(self.shard.read_bytes())
        data[8] = ord("x")
        self.shard.write_bytes(data)
        self.refused(self.shard.name)

    def test_a_header_larger_than_the_file(self):
        data = bytearray(self.shard.read_bytes())
        data[:8] = (1 << 60).to_bytes(8, "little")
        self.shard.write_bytes(data)
        self.refused(self.shard.name)

    def test_an_unknown_architecture(self):
        self.change_config(architectures=["LlamaForCausalLM"])
        self.refused("LlamaForCausalLM")

    def test_a_shape_that_is_not_the_configs(self):
        self.change_config(hidden_size=256)
        self.refused("shape")

    def test_no_such_folder(self):
        shutil.rmtree(self.model)
        self.refused(str(self.model))

    def test_a_layout_that_cannot_run(self):
        done = subprocess.run([BIN / "baton", "up", "--model", DEMO, "--decode", "tp=3,dp=1"],
                              capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("tp=3", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, "one sentence, and nothing was started")

    def test_a_cluster_that_does_not_fit(self):
        for flags, said in ((("--kv-memory", "100000G"), "the machine has"),
                            (("--kv-memory", "1M"), "--kv-memory"),
                            (("--max-model-len", "1000000"), "--max-model-len")):
            done = subprocess.run([BIN / "baton", "up", "--model", DEMO, *flags],
                                  capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 1)
            self.assertIn(said, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, "one sentence, and nothing was started")

    def test_a_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = subprocess.run(
                [BIN / "baton", "up", "--model", DEMO, "--port", str(port), "--grpc-port", "0"],
                capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 1)
            self.assertIn(str(port), done.stderr)

    def test_no_temporary_folder(self):
        done = subprocess.run(
            [BIN / "baton", "up", "--model", DEMO, "--port", "0", "--grpc-port", "0"],
            capture_output=True, text=True, timeout=30, env={"TMPDIR": "/nonexistent"})
        self.assertEqual(done.returncode, 1)
        self.assertIn("TMPDIR", done.stderr)

    def test_numbers_that_are_none_or_do_not_fit(self):
        for flag, value in [("--port", ""), ("--port", "70000"), ("--drain-timeout", "nan"),
                            ("--ready-timeout", "1e300"), ("--kv-memory", "-1"),
                            ("--max-num-seqs", "0"), ("--max-num-batched-tokens", "1")]:
            with self.subTest(flag=flag, value=value):
                done = subprocess.run([BIN / "baton", "up", "--model", DEMO, flag, value],
                                      capture_output=True, text=True, timeout=30)
                self.assertEqual(done.returncode, 2)
                self.assertIn(flag, done.stderr)
                self.assertLess(len(done.stderr), 200)

    def test_an_unknown_flag(self):
        done = subprocess.run([BIN / "baton", "up", "--model", DEMO, "--prot", "1"],
                              capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--prot", done.stderr)


if __name__ == "__main__":
    unittest.main()
