"""Pages that outlive the prefill instance that has computed them, in baton-kvstore.

Whatever happens to it, answers have the bytes of a cluster that has none.
"""
import concurrent.futures
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import unittest.mock

from cluster import BIN, DEMO, cluster

PROMPT = "Count the letters. " * 70 + "Spell planet."
OTHERS = [f"{i} " + "and one more letter " * 70 for i in range(8)]


def answer(running, prompt, **fields):
    """What must never change; the usage's cached tokens; the explanation."""
    status, _, whole = running.ask("/v1/completions", {
        "model": running.model(), "prompt": prompt, "temperature": 0.9, "seed": 7,
        "max_tokens": 8, "ignore_eos": True, "return_logits_digest": True,
        "return_token_ids": True, "explain": True, **fields})
    assert status == 200, whole
    choice = whole["choices"][0]
    return ((choice["token_ids"], choice["logits_digest"]),
            whole["usage"]["prompt_tokens_details"]["cached_tokens"], whole["explain"])


class Kvstore(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with cluster(DEMO, "--no-kvstore", "--no-enable-prefix-caching") as running:
            assert not running.pids("baton-kvstore")
            cls.reference = {prompt: answer(running, prompt)[0] for prompt in [PROMPT, *OTHERS]}
            _, _, whole = running.ask("/v1/completions", {
                "model": running.model(), "prompt": PROMPT, "max_tokens": 1})
            cls.full = (whole["usage"]["prompt_tokens"] - 1) // 64
        assert cls.full >= 3

    def check(self, running, prompt=PROMPT, **fields):
        """(cached tokens, explanation) of an answer that has the right bytes."""
        said, cached, explain = answer(running, prompt, **fields)
        self.assertEqual(said, self.reference[prompt])
        self.assertLessEqual(explain["fetched_tokens"], cached)
        return cached, explain

    def wait_until(self, holds, what):
        moment = threading.Event()
        deadline = time.monotonic() + 60
        while not holds():
            self.assertLess(time.monotonic(), deadline, f"waited in vain for {what}")
            moment.wait(0.02)

    def metric_reaches(self, running, name, least):
        """Heartbeats bring it to the gateway."""
        self.wait_until(lambda: running.metric(name) >= least, f"{name} to be {least}")

    def named(self, running, program, name):
        """The process of the instance of that name."""
        for pid in running.pids(program):
            if name.encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return pid
        return None

    def kill(self, running, program, name):
        """-9; the launcher starts another."""
        old = self.named(running, program, name)
        os.kill(old, signal.SIGKILL)
        self.wait_until(lambda: self.named(running, program, name) not in (old, None), name)

    def from_another_prefill(self, running, name, prompt=PROMPT, **fields):
        """The first answer that has a prefill since that instance was killed."""
        self.kill(running, "baton-prefill", name)
        while True:
            cached, explain = self.check(running, prompt, **fields)
            if explain["prefill"]:
                return cached, explain
            # Else decode has filled it itself, but for what it keeps.

    def test_pages_outlive_the_prefill_that_has_computed_them(self):
        with cluster(DEMO, "--prefill", "instances=2") as running:
            cached, explain = self.check(running)
            self.assertEqual(cached, 0)
            self.assertIn("has none of", explain["kvstore"])
            self.metric_reaches(running, "baton_kvstore_stored_pages_total", self.full)
            first = explain["prefill"]
            cached, explain = self.from_another_prefill(running, first)
            self.assertNotEqual(explain["prefill"], first)
            self.assertEqual((cached, explain["fetched_tokens"]), (64 * self.full, 64 * self.full))
            self.assertIn(f"{self.full} of {self.full} pages were read", explain["kvstore"])
            self.metric_reaches(running, "vllm:external_prefix_cache_hits_total", 64 * self.full)
            self.metric_reaches(running, "baton_kvstore_hits_total", self.full)
            cached, explain = self.check(running)
            self.assertGreaterEqual(cached, 64 * self.full, "whoever serves it")
            instances = running.ask("/debug/kv")[2]["instances"]
            self.assertEqual({i["role"] for i in instances}, {"prefill", "decode", "kvstore"})
            for instance in instances:
                if instance["role"] != "kvstore":
                    self.assertGreaterEqual(instance.keys(), {"in_flight", "pinned", "by_tenant",
                                                              "oldest_waiting"})
            table = subprocess.run([BIN / "baton", "status", "--kv", "--url",
                                    f"http://{running.host}:{running.port}"],
                                   capture_output=True, text=True, check=True).stdout
            for instance in instances:
                self.assertRegex(table, rf"(?m)^{instance['instance']} +\d+ ")

    def test_who_must_not_share_does_not(self):
        with cluster() as running:
            self.check(running, cache_salt="one")
            self.metric_reaches(running, "baton_kvstore_stored_pages_total", self.full)
            cached, _ = self.from_another_prefill(running, "prefill-0", cache_salt="two")
            self.assertEqual(cached, 0)
            cached, explain = self.from_another_prefill(running, "prefill-0", cache_salt="one")
            self.assertEqual(cached, 64 * self.full)
            cached, explain = self.from_another_prefill(running, "prefill-0", cache_salt="one",
                                                        prompt_logprobs=1)
            self.assertEqual((cached, explain["kvstore"]), (0, None), "a prompt that is scored")

    def test_pages_on_disk_outlive_the_cluster_but_not_a_flipped_bit(self):
        with tempfile.TemporaryDirectory(prefix="baton-kvstore-") as folder:
            flags = ("--kvstore-dir", folder, "--kvstore-memory", "1M")
            with cluster(DEMO, *flags) as running:
                self.check(running)
                self.metric_reaches(running, "baton_kvstore_stored_pages_total", self.full)
            with cluster(DEMO, *flags) as running:
                cached, explain = self.check(running)
                self.assertEqual(cached, 64 * self.full, explain)
            files = pathlib.Path(folder).rglob("segment-*.pages")
            file = max(files, key=lambda f: f.stat().st_size)
            whole = bytearray(file.read_bytes())
            records = [at for at in range(0, len(whole), 512) if whole[at:at + 4] == b"BTNP"]
            _, second, third, *_ = records[-self.full:]  # before them lies the readiness probe's
            whole[(second + third) // 2] ^= 4
            file.write_bytes(whole)
            with cluster(DEMO, *flags) as running:
                cached, explain = self.check(running)
                self.assertEqual(cached, 64, explain)
                self.metric_reaches(running, "baton_kvstore_damaged_total", 1)
                self.assertIn(f"1 of {self.full} pages were read", explain["kvstore"])
                self.metric_reaches(running, "baton_kvstore_stored_pages_total", 1)
            with cluster(DEMO, *flags) as running:
                cached, _ = self.check(running)
                self.assertEqual(cached, 64 * self.full, "the second page was written again")
            file.write_bytes(file.read_bytes()[:third + 1000])  # and with it what came last
            with cluster(DEMO, *flags) as running:
                cached, _ = self.check(running)
                self.assertEqual(cached, 64)

    def test_the_environment_can_do_without(self):
        """A worker has the launcher's environment: a name means the same to both."""
        with unittest.mock.patch.dict(os.environ, BATON_KVSTORE="false"), cluster() as running:
            self.assertFalse(running.pids("baton-kvstore"))
            _, explain = self.check(running)
            self.assertIsNone(explain["kvstore"])

    def test_a_kvstore_that_is_killed_costs_hits_only(self):
        with cluster(DEMO, "--kv-memory", "8M", "--max-model-len", "1024") as running:
            stop = threading.Event()

            def ask(prompts):
                count = 0
                while not stop.is_set():
                    self.check(running, prompts[count % len(prompts)])
                    count += 1
                return count
            with concurrent.futures.ThreadPoolExecutor(3) as pool:
                asked = [pool.submit(ask, OTHERS[i::3]) for i in range(3)]
                try:
                    for _ in range(3):
                        self.metric_reaches(running, "baton_kvstore_stored_pages_total", 5)
                        self.kill(running, "baton-kvstore", "kvstore-0")
                finally:
                    stop.set()
                self.assertTrue(all(one.result() > 0 for one in asked))
            self.check(running)

    def test_several_share_the_pages_and_one_that_is_killed_costs_only_its_own(self):
        with cluster(DEMO, "--kvstores", "3", "--kv-memory", "16M", "--max-model-len",
                     "1024", "--prefill", "instances=2") as running:
            self.assertEqual(len(running.pids("baton-kvstore")), 3)
            prompts = [PROMPT, *OTHERS]
            for prompt in prompts:
                self.check(running, prompt)
            self.metric_reaches(running, "baton_kvstore_stored_pages_total",
                                self.full * len(prompts) // 2)
            lines = running.ask("/metrics")[2].decode().splitlines()
            held = [float(line.rsplit(" ", 1)[1]) for line in lines
                    if line.startswith("baton_kvstore_pages{") and 'tier="memory"' in line]
            self.assertEqual(len(held), 3)
            self.assertGreater(sum(pages > 0 for pages in held), 1, "they are spread")
            for name in ("kvstore-1", "kvstore-0"):
                self.kill(running, "baton-kvstore", name)
                for prompt in prompts:
                    self.check(running, prompt)
            cached, explain = self.from_another_prefill(running, "prefill-0")
            self.assertIn("kvstore", explain)
            for prompt in prompts:
                self.check(running, prompt)

    def test_a_kvstore_that_hangs_holds_nobody_up(self):
        with cluster() as running:
            store = self.named(running, "baton-kvstore", "kvstore-0")
            os.kill(store, signal.SIGSTOP)
            try:
                _, explain = self.check(running)
                self.assertIn("did not answer", explain["kvstore"])
                for prompt in OTHERS:
                    began = time.monotonic()
                    self.check(running, prompt)  # soon nobody knows the store any more
                    self.assertLess(time.monotonic() - began, 30)
                self.metric_reaches(running, "baton_prefill_store_timeouts_total", 1)
            finally:
                os.kill(store, signal.SIGCONT)


if __name__ == "__main__":
    unittest.main()
