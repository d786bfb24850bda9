"""What the API promises that only a real cluster can show: scores, choices, budgets, timelines."""
import json
import math
import time
import unittest

from cluster import Cluster

QUESTION = "What is 37 + 48?"
CHAT = {"model": "demo", "messages": [{"role": "user", "content": QUESTION}], "temperature": 0}
PROMPT = f"<｜User｜>{QUESTION}<｜Assistant｜>"
ANSWER = "7+8=15, 3+4+1=8. The answer is 85."


class Api(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()

    @classmethod
    def tearDownClass(cls):
        assert cls.cluster.stop() == 0

    def chat(self, **fields):
        status, _, answer = self.cluster.ask("/v1/chat/completions", {**CHAT, **fields})
        self.assertEqual(status, 200, answer)
        return answer

    def test_scores_of_a_prompt_are_those_of_saying_it(self):
        scored = self.cluster.complete(PROMPT + ANSWER, echo=True, logprobs=3, max_tokens=0)
        said = self.cluster.complete(PROMPT, logprobs=3, max_tokens=24)
        scores, own = scored["logprobs"], said["logprobs"]
        self.assertEqual(scored["text"], PROMPT + ANSWER)
        self.assertIsNone(scores["token_logprobs"][0])
        first = len(scores["tokens"]) - len(own["tokens"]) + 1  # without the end of the sentence
        self.assertEqual(scores["tokens"][first:], own["tokens"][:-1])
        # Prompt and answer go through two forms of attention: the same up to rounding.
        for ours, theirs in zip(scores["token_logprobs"][first:], own["token_logprobs"]):
            self.assertLess(abs(ours - theirs), 1e-3)
        for top, logprob in zip(scores["top_logprobs"][1:], scores["token_logprobs"][1:]):
            self.assertLessEqual(logprob, max(top.values()) + 1e-6)
            self.assertLessEqual(sum(math.exp(p) for p in top.values()), 1 + 1e-5)

    def test_scores_come_with_an_answer_and_do_not_change_it(self):
        plain = self.chat()
        scored = self.chat(prompt_logprobs=2)
        self.assertEqual(scored["choices"], plain["choices"])
        scores = scored["prompt_logprobs"]
        self.assertEqual(len(scores), plain["usage"]["prompt_tokens"])
        self.assertIsNone(scores[0])
        for entry in scores[1:]:
            self.assertEqual(min(item["rank"] for item in entry.values()), 1)

    def test_a_long_prompt_is_scored_whole(self):
        ids = [300 + i % 400 for i in range(3000)]
        choice = self.cluster.complete(ids, prompt_logprobs=0, max_tokens=1)
        self.assertEqual(len(choice["prompt_logprobs"]), 3000)
        self.assertEqual(list(choice["prompt_logprobs"][2999]), [str(ids[2999])])

    def test_a_prompt_of_one_token_has_no_scores(self):
        choice = self.cluster.complete([65], echo=True, logprobs=1, max_tokens=0)
        self.assertEqual(choice["logprobs"]["token_logprobs"], [None])
        self.assertEqual(choice["finish_reason"], "length")

    def test_tokens_are_allowed_biased_and_forbidden(self):
        allowed = self.cluster.complete(PROMPT, allowed_token_ids=[60, 61], max_tokens=5,
                                        return_token_ids=True)
        self.assertLessEqual(set(allowed["token_ids"]), {60, 61})
        first = self.cluster.complete(PROMPT, max_tokens=1, return_token_ids=True)["token_ids"][0]
        biased = self.cluster.complete(PROMPT, max_tokens=1, return_token_ids=True,
                                       logit_bias={str(first): -100})
        self.assertNotEqual(biased["token_ids"][0], first)
        without = self.cluster.complete(PROMPT, max_tokens=24, bad_words=["85"])
        self.assertNotIn("85", without["text"])

    def test_a_budget_of_reasoning_is_kept(self):
        # The demo doesn't think by itself; made to begin, it is made to end.
        tokens = {name: self.cluster.ask("/tokenize", {"prompt": name, "add_special_tokens": False})
                  [2]["tokens"][0] for name in ("<think>", "</think>")}
        for budget in (0, 1, 5):
            answer = self.chat(thinking_token_budget=budget, logit_bias={
                str(tokens["<think>"]): 100 if budget == 0 else 0}, max_tokens=12,
                return_token_ids=True)
            ids = answer["choices"][0]["token_ids"]
            if budget == 0:
                self.assertEqual(ids[:2], [tokens["<think>"], tokens["</think>"]])
                self.assertEqual(answer["usage"]["completion_tokens_details"]["reasoning_tokens"],
                                 0)

    def test_choices_of_a_seed_are_the_same_alone_and_together(self):
        fields = {"temperature": 1.5, "seed": 7, "max_tokens": 12, "return_logits_digest": True}
        three = self.chat(n=3, **fields)["choices"]
        one = self.chat(**fields)["choices"][0]
        self.assertEqual(three[0]["logits_digest"], one["logits_digest"])
        self.assertEqual(three[0]["message"], one["message"])

    def test_a_prefix_is_gone_on_with(self):
        body = {**CHAT, "messages": CHAT["messages"] + [
            {"role": "assistant", "content": ANSWER[:-4], "prefix": True}]}
        status, _, answer = self.cluster.ask("/beta/chat/completions", body)
        self.assertEqual(status, 200, answer)
        self.assertEqual(answer["choices"][0]["message"]["content"], ANSWER[-4:])

    def test_a_timeline_sums_to_the_measured_time(self):
        for fields in ({}, {"stream": True}):
            begun = time.monotonic()
            first = None
            explained = None
            if fields:
                for event in self.cluster.stream("/v1/chat/completions",
                                                 {**CHAT, "explain": True}):
                    first = first or time.monotonic()
                    if event != "[DONE]" and "explain" in event:
                        explained = event["explain"]
            else:
                explained = self.chat(explain=True, max_tokens=1)["explain"]
                first = time.monotonic()
            parts = sum(part["ms"] for part in explained["parts"])
            self.assertLess(abs(parts - explained["first_token_ms"]), 1e-6)
            # What the client measures has its own connection and parsing in it.
            measured = (first - begun) * 1000
            self.assertLess(explained["first_token_ms"], measured)
            self.assertLess(measured - explained["first_token_ms"], 50)
            self.assertTrue(explained["placed_because"])
            self.assertEqual(explained["decode"], "decode-0")

    def test_a_stream_has_its_events_in_order(self):
        events = list(self.cluster.stream("/v1/chat/completions", {
            **CHAT, "n": 2, "max_tokens": 64, "stream_options": {"include_usage": True}}))
        self.assertEqual(events[-1], "[DONE]")
        self.assertEqual(events[-2]["choices"], [])
        self.assertEqual(len({event["id"] for event in events[:-1]}), 1)
        for index in (0, 1):
            mine = [e["choices"][0] for e in events[:-2] if e["choices"][0]["index"] == index]
            self.assertEqual(mine[0]["delta"], {"role": "assistant", "content": ""})
            self.assertEqual("".join(c["delta"].get("content", "") for c in mine), ANSWER)
            self.assertEqual([c["finish_reason"] for c in mine if c["finish_reason"]], ["stop"])
            self.assertEqual(mine[-1]["delta"], {})

    def test_forms_of_answers_are_kept_to_or_refused_by_name(self):
        for field, value in [("response_format", {"type": "json_object"}),
                             ("guided_regex", "[0-9]+"), ("guided_choice", ["85", "86"])]:
            status, _, answer = self.cluster.ask("/v1/chat/completions",
                                                 {**CHAT, "max_tokens": 64, field: value})
            if status == 200:
                continue
            self.assertEqual(status, 400)
            self.assertEqual(answer["error"]["param"], field)

    def test_the_metrics_that_dashboards_read_are_there(self):
        self.cluster.complete("What is 37 + 48?", max_tokens=8)
        text = self.cluster.ask("/metrics")[2].decode()
        for name in (
                "num_requests_running", "num_requests_waiting", "kv_cache_usage_perc",
                "gpu_cache_usage_perc", "cache_config_info", "prompt_tokens_total",
                "generation_tokens_total", "num_preemptions_total", "request_success_total",
                "time_to_first_token_seconds_bucket", "inter_token_latency_seconds_bucket",
                "time_per_output_token_seconds_bucket", "e2e_request_latency_seconds_bucket",
                "request_queue_time_seconds_bucket", "request_prefill_time_seconds_bucket",
                "request_decode_time_seconds_bucket", "request_inference_time_seconds_bucket",
                "request_prompt_tokens_bucket", "request_generation_tokens_bucket",
                "request_params_n_bucket", "request_params_max_tokens_bucket"):
            self.assertRegex(text, rf'(?m)^vllm:{name}{{[^}}]*model_name="demo"')

    def test_json_only(self):
        body = json.dumps(CHAT)
        for kind, status in [("text/plain", 400), ("application/json; charset=utf-8", 200)]:
            got = self.cluster.ask("/v1/chat/completions", body, headers={"content-type": kind})[0]
            self.assertEqual(got, status)


if __name__ == "__main__":
    unittest.main()
