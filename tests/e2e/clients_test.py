"""The clients that people have: official npm packages drive a real cluster and a scripted gateway.

The packages are those of package.json, installed into the build folder. Without npm, a Node that
can run them, or a registry that can be reached, the tests skip and say so.
"""
import filecmp
import os
import pathlib
import shutil
import subprocess
import unittest

from cluster import BIN, Cluster, DEMO, SOURCE

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = pathlib.Path(os.environ.get("BATON_NPM_CLIENTS", BIN.parent / "npm-clients"))
NODE_MIN = 20
INSTALL_S = 600
CLIENT_S = 300


def installed():
    """The folder with the packages; raises SkipTest where there can be none."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if not npm or not node:
        raise unittest.SkipTest("npm is absent: apt install npm")
    version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
    if int(version.lstrip("v").split(".")[0]) < NODE_MIN:
        raise unittest.SkipTest(f"Node {version.strip()} is older than {NODE_MIN}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted, have = HERE / "package.json", FOLDER / "installed.json"
    if not have.exists() or not filecmp.cmp(wanted, have, shallow=False):
        shutil.copy(wanted, FOLDER / "package.json")
        done = subprocess.run(
            [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock",
             "--loglevel=error"], cwd=FOLDER, capture_output=True, text=True, timeout=INSTALL_S)
        if done.returncode != 0:
            raise unittest.SkipTest(f"npm could not install the clients: {done.stderr[-500:]}")
        shutil.copy(wanted, have)
    for script in (HERE / "clients").glob("*.mjs"):
        shutil.copy(script, FOLDER / script.name)
    return FOLDER


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = installed()
        cls.cluster = Cluster()
        cls.script = subprocess.Popen([BIN / "scripted_gateway", DEMO], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
        cls.scripted = cls.script.stdout.readline().removeprefix("ready ").strip()

    @classmethod
    def tearDownClass(cls):
        cls.script.stdin.close()
        assert cls.script.wait(30) == 0
        cls.script.stdout.close()
        assert cls.cluster.stop() == 0

    def drive(self, client):
        # A proxy between this machine and the world is not for this machine's own addresses.
        environment = {key: value for key, value in os.environ.items()
                       if key.lower() not in ("http_proxy", "https_proxy", "all_proxy")}
        environment |= {"CLUSTER": f"http://{self.cluster.host}:{self.cluster.port}",
                        "SCRIPTED": self.scripted, "NO_COLOR": "1", "LANGSMITH_TRACING": "false"}
        done = subprocess.run(["node", "--test", f"{client}.test.mjs"], cwd=self.folder,
                              env=environment, capture_output=True, text=True, timeout=CLIENT_S)
        self.assertEqual(done.returncode, 0, done.stdout[-6000:] + done.stderr[-2000:])
        self.assertIn("# fail 0", done.stdout.replace("ℹ fail 0", "# fail 0"))

    def test_openai(self):
        self.drive("openai")

    def test_ai_sdk(self):
        self.drive("ai_sdk")

    def test_langchain(self):
        self.drive("langchain")

    def test_anthropic(self):
        self.drive("anthropic")


if __name__ == "__main__":
    assert SOURCE.exists()
    unittest.main()
