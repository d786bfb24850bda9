"""Rule 2: the same request gives the same bytes, whatever runs beside it and however it is run.

The oracle is a digest of the logits of every token (`return_logits_digest`).
"""
import concurrent.futures
import time
import unittest

from cluster import DEMO, cluster

LONG = "Count the letters. " * 24  # several pages and, at small chunk sizes, many chunks
REQUESTS = [
    {"prompt": LONG, "temperature": 0},
    {"prompt": "What is 12 + 30?", "temperature": 0.8, "seed": 1},
    {"prompt": LONG + "Spell planet.", "temperature": 1.2, "seed": 2, "top_p": 0.9, "top_k": 20},
    {"prompt": "A", "temperature": 1.0, "seed": 3},
    {"prompt": LONG * 2, "temperature": 0.7, "seed": 4, "min_p": 0.02,
     "presence_penalty": 0.5, "frequency_penalty": 0.2, "repetition_penalty": 1.1},
    {"prompt": "Reverse the word stone.", "temperature": 0},
    {"prompt": "Which day comes after Monday?", "temperature": 2.0, "seed": 5},
    {"prompt": LONG[:200], "temperature": 0, "logit_bias": {"40": 3}},
    {"prompt": LONG, "temperature": 1.5, "seed": 6, "guided_regex": "([a-z]+ ){80}[0-9]"},
]


def answer(running, request):
    choice = running.complete(**{"max_tokens": 24, "ignore_eos": True, "logprobs": 3,
                                 "return_logits_digest": True, "return_token_ids": True, **request})
    assert len(choice["logits_digest"]) == 24
    return choice["token_ids"], choice["logits_digest"], choice["logprobs"]["token_logprobs"]


def one_by_one(running):
    return [answer(running, request) for request in REQUESTS]


def all_at_once(running):
    with concurrent.futures.ThreadPoolExecutor(len(REQUESTS)) as pool:
        return list(pool.map(lambda request: answer(running, request), REQUESTS))


class SameBytes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with cluster(DEMO, "--no-enable-prefix-caching") as running:
            cls.reference = one_by_one(running)
            cls.batched = all_at_once(running)

    def check(self, *flags):
        with cluster(DEMO, *flags) as running:
            self.assertEqual(all_at_once(running), self.reference)

    def test_alone_or_in_a_batch_of_eight(self):
        self.assertEqual(self.batched, self.reference)

    def test_chunks_of_16(self):
        self.check("--max-num-batched-tokens", "16", "--max-num-seqs", "8")

    def test_chunks_of_64(self):
        self.check("--max-num-batched-tokens", "64")

    def test_without_speculation(self):
        self.check("--draft-tokens", "0")

    def test_one_process_with_every_role(self):
        self.check("--single-process")

    def test_blocks_over_tcp(self):
        self.check("--transport", "tcp")

    def test_two_threads_and_two_instances(self):
        self.check("--prefill", "instances=2", "--decode", "instances=2,threads=2")

    def test_ranks_that_share_heads_requests_and_experts(self):
        self.check("--prefill", "tp=2,dp=2", "--decode",
                   "tp=2,dp=2,redundant=4,shared=routed,overlap=on")

    def test_ranks_on_virtual_hosts(self):
        self.check("--prefill", "tp=4,ranks_per_host=4,overlap=on", "--decode",
                   "tp=1,dp=6,ranks_per_host=2")

    def test_experts_that_move_while_requests_run(self):
        with cluster(DEMO, "--prefill", "tp=1,dp=2,redundant=4", "--decode",
                     "tp=1,dp=4,redundant=4") as running:
            self.assertEqual(all_at_once(running), self.reference)
            for _ in range(3):
                self.assertEqual(running.ask("/admin/rebalance", {})[0], 202)
                self.assertEqual(all_at_once(running), self.reference)
            deadline = time.monotonic() + 30
            while running.metric("baton_expert_layers_switched_total") == 0:
                self.assertLess(time.monotonic(), deadline, "no layer's experts have moved")
                self.assertEqual(all_at_once(running), self.reference)


if __name__ == "__main__":
    unittest.main()
