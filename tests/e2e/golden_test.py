"""The golden checkpoints through the whole cluster: tokens and log-probabilities as they say."""
import json
import unittest

from cluster import DEMO, cluster, shared

TIE = 1e-4  # a margin below which the reference's own choice is rounding
LOGPROB_TOLERANCE = 1e-3


class Golden(unittest.TestCase):
    def run_golden(self, name):
        folder = shared(f"golden/{name}")
        self.run_folder(name, folder, json.loads((folder / "golden.json").read_text()))

    def run_folder(self, name, folder, golden):
        with cluster(folder, "--mode", "exact") as running:
            for case in golden["cases"]:
                with self.subTest(name, case=case.get("name")):
                    self.compare(running, case)

    def compare(self, running, case):
        greedy = case["greedy"]
        choice = running.complete(case["prompt"], max_tokens=len(greedy["tokens"]), logprobs=1,
                                  ignore_eos=True, return_token_ids=True)
        got = zip(choice["token_ids"], choice["logprobs"]["token_logprobs"])
        expected = zip(greedy["tokens"], greedy["logprobs"], greedy["margins"])
        for (token, logprob), (best, best_logprob, margin) in zip(got, expected, strict=True):
            if token != best:
                self.assertLess(margin, TIE)
                return  # another token of a tie: what follows may differ
            self.assertAlmostEqual(logprob, best_logprob, delta=LOGPROB_TOLERANCE)

    def test_the_demo_model_as_its_training_framework_computes_it(self):
        self.run_folder("demo", DEMO, json.loads((DEMO / "reference.json").read_text()))

    def test_v3_nano(self):
        self.run_golden("v3-nano")

    def test_v3_nano_fp8(self):
        self.run_golden("v3-nano-fp8")

    def test_v2_lite_nano(self):
        self.run_golden("v2-lite-nano")


if __name__ == "__main__":
    unittest.main()
