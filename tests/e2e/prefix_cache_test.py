"""What is found in the prefix cache is seen in the usage and in nothing else.

The oracle is a digest of the logits of every token (`return_logits_digest`) of a cluster that keeps
no prefixes.
"""
import concurrent.futures
import json
import tempfile
import time
import unittest

from cluster import DEMO, cluster

STEM = "Count the letters. " * 24
PROMPTS = [STEM + "Spell planet.", STEM + "Spell planet. And then spell stone.", STEM[:300],
           STEM + "Which day comes after Monday?", "A short one."]


def answer(running, prompt, **fields):
    status, _, whole = running.ask("/v1/completions", {
        "model": running.model(), "prompt": prompt, "temperature": 0.9, "seed": 7,
        "max_tokens": 16, "ignore_eos": True, "logprobs": 2, "return_logits_digest": True,
        "return_token_ids": True, **fields})
    assert status == 200, whole
    choice, usage = whole["choices"][0], whole["usage"]
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    assert usage["prompt_cache_hit_tokens"] == cached
    assert usage["prompt_cache_miss_tokens"] == usage["prompt_tokens"] - cached
    assert cached < usage["prompt_tokens"]
    return ((choice["token_ids"], choice["logits_digest"], choice["logprobs"]["token_logprobs"]),
            cached, usage["prompt_tokens"])


def several(running, **fields):
    with concurrent.futures.ThreadPoolExecutor(len(PROMPTS)) as pool:
        return list(pool.map(lambda prompt: answer(running, prompt, **fields), PROMPTS))


class PrefixCache(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with cluster(DEMO, "--no-enable-prefix-caching") as running:
            for _ in range(2):
                answers = [answer(running, prompt) for prompt in PROMPTS]
                assert all(cached == 0 for _, cached, _ in answers)
            assert running.metric("vllm:prefix_cache_hits_total") == 0
            cls.reference = [said for said, _, _ in answers]

    def metric(self, running, name):
        """Its value once heartbeats have brought it to the gateway: then it is not 0."""
        deadline = time.monotonic() + 30
        while not running.metric(name):
            self.assertLess(time.monotonic(), deadline, f"{name} stays 0")
        return running.metric(name)

    def check_twice(self, *flags):
        with cluster(DEMO, *flags) as running:
            for said, _, _ in several(running):
                self.assertIn(said, self.reference)
            again = several(running)
            self.assertEqual([said for said, _, _ in again], self.reference)
            for _, cached, prompt in again:
                self.assertEqual(cached, prompt - 1, "all that prefill computes was there")
            hits = self.metric(running, "vllm:prefix_cache_hits_total")
            self.assertGreater(self.metric(running, "vllm:prefix_cache_queries_total"), hits)

    def test_the_same_prompts_again(self):
        self.check_twice()

    def test_without_speculation(self):
        self.check_twice("--draft-tokens", "0")

    def test_small_chunks_over_tcp(self):
        self.check_twice("--max-num-batched-tokens", "48", "--transport", "tcp")

    def test_groups_and_ranks_share_what_each_has_computed(self):
        self.check_twice("--prefill", "tp=2,dp=2", "--decode", "dp=2")

    def test_one_process_with_every_role(self):
        self.check_twice("--single-process")

    def test_a_longer_prompt_goes_on_behind_what_is_known(self):
        with cluster() as running:
            answer(running, PROMPTS[0])
            said, cached, _ = answer(running, PROMPTS[1])
            self.assertEqual(said, self.reference[1])
            # More than the full pages: the partial one was copied.
            self.assertGreater(cached % 64, 0)
            said, cached, _ = answer(running, PROMPTS[3])
            self.assertEqual(said, self.reference[3])
            self.assertEqual(cached % 64, 0)
            self.assertGreater(cached, 0)

    def converse(self, running, turns=4):
        """What was said in each turn, and the lengths of the prompts, whose answers are in the
        next ones."""
        said, lengths = [], []
        prompt = running.ask("/tokenize", {"prompt": PROMPTS[0]})[2]["tokens"]
        for turn in range(turns):
            one, _, length = answer(running, prompt, max_tokens=40)
            said.append(one)
            lengths.append(length)
            more = running.ask("/tokenize", {"prompt": f" And then {turn}?"})[2]["tokens"]
            prompt = prompt + one[0] + more
        return said, lengths

    def test_the_next_turn_sends_only_what_decode_does_not_hold(self):
        with cluster(DEMO, "--no-enable-prefix-caching") as running:
            reference, lengths = self.converse(running)
            self.assertEqual(running.metric("baton_decode_pages_kept_total"), 0)
        # Full pages of the prompt before: its answer's entries are of the other form.
        kept = sum((n - 1) // 64 for n in lengths[:-1])
        for flags in ((), ("--transport", "tcp"), ("--decode", "tp=2,dp=2")):
            with self.subTest(flags=flags), cluster(DEMO, *flags) as running:
                said, again = self.converse(running)
                self.assertEqual((said, again), (reference, lengths))
                for name in ("baton_decode_pages_kept_total",
                             "baton_prefill_pages_not_sent_total"):
                    deadline = time.monotonic() + 30
                    while self.metric(running, name) < kept:
                        self.assertLess(time.monotonic(), deadline, name)
                    # The readiness probe is asked again when the membership changes.
                    self.assertLessEqual(running.metric(name), kept + 2, name)
                for instance in running.ask("/debug/kv")[2]["instances"]:
                    self.assertTrue(instance["conserved"] or instance["role"] == "kvstore")

    def test_a_conversation_comes_back_to_the_decode_that_holds_it(self):
        with cluster(DEMO, "--decode", "instances=2") as running:
            deadline = time.monotonic() + 30
            while True:  # heartbeats tell the scheduler what is kept
                status, _, whole = running.ask("/v1/completions", {
                    "model": running.model(), "prompt": PROMPTS[0], "max_tokens": 1,
                    "explain": True})
                self.assertEqual(status, 200, whole)
                if " and has " in whole["explain"]["placed_because"]:
                    break
                self.assertLess(time.monotonic(), deadline, whole["explain"])

    def test_a_pinned_prefix_stays(self):
        with cluster(DEMO, "--no-enable-prefix-caching") as running:
            tokens = running.ask("/tokenize", {"prompt": PROMPTS[0]})[2]["tokens"]
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as pins:
            pins.write(json.dumps({"token_ids": tokens}) + "\n")
            pins.flush()
            # 45 pages; each of the others takes five or more.
            with cluster(DEMO, "--max-model-len", "1024", "--kv-memory", "8M", "--no-kvstore",
                         "--pin-prefix-file", pins.name) as running:
                answer(running, PROMPTS[0])
                for i in range(12):
                    answer(running, f"{i} " + "and one more letter " * 70)
                said, cached, _ = answer(running, PROMPTS[0])
                self.assertEqual(said, self.reference[0])
                self.assertGreaterEqual(cached, 64 * ((len(tokens) - 1) // 64))

    def test_salts_never_share(self):
        with cluster() as running:
            for salt in ("one", "two"):
                said, cached, prompt = answer(running, PROMPTS[0], cache_salt=salt)
                self.assertEqual((said, cached), (self.reference[0], 0))
                said, cached, _ = answer(running, PROMPTS[0], cache_salt=salt)
                self.assertEqual((said, cached), (self.reference[0], prompt - 1))
            self.assertEqual(answer(running, PROMPTS[0])[1], 0)

    def test_a_prompt_is_sent_to_where_its_prefix_is_kept(self):
        with cluster(DEMO, "--prefill", "instances=2") as running:
            deadline = time.monotonic() + 30
            while True:  # heartbeats tell the scheduler what is kept
                status, _, whole = running.ask("/v1/completions", {
                    "model": running.model(), "prompt": PROMPTS[0], "max_tokens": 1,
                    "explain": True})
                self.assertEqual(status, 200, whole)
                explained = whole["explain"]
                if "keeps" in explained["placed_because"]:
                    break
                self.assertLess(time.monotonic(), deadline, explained)
            self.assertEqual(explained["cached_tokens"],
                             whole["usage"]["prompt_tokens_details"]["cached_tokens"])
            self.assertGreater(explained["cached_tokens"], 64)

    def test_a_prompt_that_is_scored_is_computed(self):
        with cluster() as running:
            answer(running, PROMPTS[0])
            said, cached, _ = answer(running, PROMPTS[0], prompt_logprobs=1)
            self.assertEqual((said, cached), (self.reference[0], 0))

    def test_a_cache_that_is_full_lets_the_oldest_go(self):
        # 45 pages; each prompt takes five or more.
        with cluster(DEMO, "--max-model-len", "1024", "--kv-memory", "8M") as running:
            for i in range(12):
                prompt = f"{i} " + "and one more letter " * 70
                first, cached, _ = answer(running, prompt)
                self.assertLess(cached, 64)
                second, cached, count = answer(running, prompt)
                self.assertEqual(first, second)
                self.assertEqual(cached, count - 1)
            self.metric(running, "baton_prefix_pages_evicted_total")


if __name__ == "__main__":
    unittest.main()
