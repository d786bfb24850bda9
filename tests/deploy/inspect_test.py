"""Runs `baton inspect` on good and bad checkpoints: what it prints, and how it refuses."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("BATON_BIN", SOURCE / "build/release/bin"))
DEMO = SOURCE / "model/demo"

DEEPSEEK_V3 = {
    "architectures": ["DeepseekV3ForCausalLM"], "hidden_size": 7168, "num_hidden_layers": 61,
    "num_attention_heads": 128, "vocab_size": 129280, "max_position_embeddings": 163840,
    "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
    "v_head_dim": 128, "intermediate_size": 18432, "moe_intermediate_size": 2048,
    "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8, "n_group": 8,
    "topk_group": 4, "scoring_func": "sigmoid", "topk_method": "noaux_tc", "norm_topk_prob": True,
    "routed_scaling_factor": 2.5, "first_k_dense_replace": 3, "num_nextn_predict_layers": 1,
    "rms_norm_eps": 1e-6, "rope_theta": 10000,
    "rope_scaling": {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096,
                     "beta_fast": 32, "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 1.0},
    "quantization_config": {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]},
}


def inspect(*arguments):
    return subprocess.run([BIN / "baton", "inspect", *map(str, arguments)], capture_output=True,
                          text=True, timeout=60, check=False)


class Inspect(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="baton-inspect-")
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)

    def refusal(self, *arguments):
        """The one sentence on standard error of a run that must fail with status 1."""
        run = inspect(self.path, *arguments)
        self.assertEqual((run.returncode, run.stdout), (1, ""), run.stderr)
        lines = run.stderr.splitlines()
        self.assertEqual(len(lines), 1, run.stderr)
        self.assertTrue(lines[0].startswith("baton-inspect: "), lines)
        return lines[0]

    def copy_demo(self):
        for file in DEMO.iterdir():
            if file.suffix in (".json", ".safetensors"):
                shutil.copy(file, self.path)
        return json.loads((self.path / "config.json").read_text())

    def test_a_configuration_alone_gives_the_published_numbers(self):
        (self.path / "config.json").write_text(json.dumps(DEEPSEEK_V3))
        run = inspect(self.path, "--config-only", "--json", "--decode", "tp=4,dp=80,redundant=64")
        self.assertEqual(run.returncode, 0, run.stderr)
        told = json.loads(run.stdout)
        self.assertEqual(told["model"]["architecture"], "DeepseekV3ForCausalLM")
        self.assertEqual(told["main"]["parameters"], 671026419200)
        self.assertAlmostEqual(told["active_parameters"] / 1e9, 37, delta=1)
        self.assertEqual(told["kv_bytes_per_token"]["fast"], 62 * 576 * 2)
        decode = told["layouts"][1]
        self.assertEqual((decode["role"], decode["ranks"], decode["slots"]), ("decode", 320, 1))
        text = inspect(self.path, "--config-only")
        self.assertIn("671.03 B", text.stdout)
        self.assertIn("70272 without the MTP layer", text.stdout)

    def test_the_demo_model(self):
        run = inspect(DEMO, "--json", "--tensors", "--verify")
        self.assertEqual(run.returncode, 0, run.stderr)
        told = json.loads(run.stdout)
        stored = sum(told[part]["stored_bytes"] for part in ("main", "mtp", "mtp_copies"))
        self.assertEqual(stored, sum(told["bytes_by_dtype"].values()))
        self.assertEqual(stored, sum(kind["stored_bytes"] for kind in told["by_kind"].values()))
        self.assertIn("every weight is a finite number", told["notes"])
        self.assertEqual(len(told["fingerprint"]), 64)
        self.assertTrue(all(tensor["file"].endswith(".safetensors") for tensor in told["tensors"]))
        text = inspect(DEMO).stdout
        for line in ("architecture", "parameters", "bytes", "KV cache", "worker rank"):
            self.assertIn(f"\n{line}" if line != "architecture" else line, text)

    def test_bad_folders_are_refused_with_one_sentence(self):
        self.assertIn("config.json does not exist", self.refusal())
        (self.path / "config.json").write_text("{")
        self.assertIn("config.json is not valid JSON", self.refusal())
        config = self.copy_demo()
        (self.path / "config.json").write_text(json.dumps(config | {"architectures": ["Llama"]}))
        self.assertIn("DeepseekV3ForCausalLM", self.refusal())
        (self.path / "config.json").write_text(
            json.dumps(config | {"hidden_size": config["hidden_size"] * 2}))
        told = self.refusal()
        self.assertRegex(told, r"\.safetensors: tensor .* has shape")

    def test_bad_files_are_named(self):
        self.copy_demo()
        shard = sorted(self.path.glob("*.safetensors"))[0]
        whole = shard.read_bytes()
        shard.write_bytes(whole[:-1])
        self.assertIn(shard.name, self.refusal())
        shard.write_bytes(whole[:4])
        self.assertIn(shard.name, self.refusal())
        shard.unlink()
        self.assertIn(shard.name, self.refusal())

    def test_a_number_that_is_none_is_found_by_verify_only(self):
        self.copy_demo()
        shard = sorted(self.path.glob("*.safetensors"))[0]
        whole = bytearray(shard.read_bytes())
        whole[-2:] = b"\xc0\x7f"  # a NaN in BF16
        shard.write_bytes(whole)
        self.assertEqual(inspect(self.path).returncode, 0)
        told = self.refusal("--verify")
        self.assertIn(shard.name, told)
        self.assertIn("not a finite number", told)

    def test_layouts_and_flags_are_checked(self):
        for layout, words in (("tp=3", "tp=3"), ("tp", "KEY=VALUE"), ("width=2", "width")):
            run = inspect(DEMO, "--prefill", layout)
            self.assertEqual(run.returncode, 1)
            self.assertIn(words, run.stderr)
        self.assertEqual(inspect().returncode, 2)
        self.assertEqual(inspect(DEMO, "--nonsense").returncode, 2)
        told = inspect("--help")
        self.assertEqual(told.returncode, 0)
        for flag in ("--prefill", "--decode", "--kv-memory", "--json", "--verify", "--tensors"):
            self.assertIn(flag, told.stdout)


if __name__ == "__main__":
    unittest.main()
