"""Starts real clusters for the end-to-end tests, asks them, sees that they leave nothing behind.

The build folder comes from the environment variable BATON_BIN, which ctest sets.
"""
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("BATON_BIN", SOURCE / "build/release/bin"))
SHARED = pathlib.Path(os.environ.get("BATON_SHARED", SOURCE.parent / "shared"))
DEMO = SOURCE / "model/demo"
READY_S = 60
DRAIN_S = 60
ANSWER_S = 60


def shared(name):
    """A reference folder, or a skipped test where it is absent."""
    path = SHARED / name
    if not path.exists():
        raise unittest.SkipTest(f"reference data {name} absent")
    return path


class Cluster:
    """`baton up` on free ports; its logs lie in a temporary folder."""

    def __init__(self, model=DEMO, *flags, environment=None):
        self.folder = tempfile.TemporaryDirectory(prefix="baton-e2e-")
        command = [BIN / "baton", "up", "--model", model, "--port", "0", "--grpc-port", "0",
                   "--log-dir", self.folder.name, "--no-pin-threads", *flags]
        if "--kv-memory" not in flags:
            command += ["--kv-memory", "256M"]
        self.process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env=environment)
        self.said = []
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()
        watchdog = threading.Timer(READY_S, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        match = re.fullmatch(r"ready https?://(.+):(\d+)\n", line)
        if not match:
            self.process.wait()
            self.listener.join()
            self.process.stdout.close()
            self.process.stderr.close()
            raise AssertionError(f"no ready line but {line!r}; {''.join(self.said)}{self.logs()}")
        self.host, self.port = match[1], int(match[2])

    def _listen(self):
        for line in self.process.stderr:
            self.said.append(line)

    def logs(self):
        files = sorted(pathlib.Path(self.folder.name).glob("*.log"))
        return "".join(f"\n== {f.name}\n{f.read_text()[-3000:]}" for f in files)

    def stop(self):
        """SIGTERM drains: status 0 and no process left. Returns the status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(DRAIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"the cluster did not drain{self.logs()}") from None
        finally:
            self.process.stdout.close()
            self.listener.join()
            self.process.stderr.close()
            self.folder.cleanup()

    def ask(self, path, body=None, method=None, headers=None):
        """(status, headers, parsed or raw body)."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=ANSWER_S)
        data = body if isinstance(body, (bytes, str, type(None))) else json.dumps(body)
        connection.request(method or ("GET" if body is None else "POST"), path, data,
                           {"content-type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        raw = answer.read()
        connection.close()
        kind = answer.headers.get("content-type", "")
        return answer.status, answer.headers, json.loads(raw) if "json" in kind else raw

    def complete(self, prompt, **fields):
        """A text completion's first choice."""
        status, _, answer = self.ask("/v1/completions", {
            "model": self.model(), "prompt": prompt, "temperature": 0, **fields})
        assert status == 200, answer
        return answer["choices"][0]

    def model(self):
        if not hasattr(self, "_model"):
            self._model = self.ask("/v1/models")[2]["data"][0]["id"]
        return self._model

    def metric(self, name):
        """The sum of a metric over all its labels; 0 where it is not there."""
        lines = self.ask("/metrics")[2].decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines
                   if re.match(re.escape(name) + r"[{ ]", line))

    def stream(self, path, body):
        """The events of a stream, parsed; the last is the string [DONE]. A generator."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=ANSWER_S)
        connection.request("POST", path, json.dumps({**body, "stream": True}),
                           {"content-type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        with contextlib.closing(connection):
            for line in answer:
                if line.startswith(b"data: "):
                    data = line[6:].strip().decode()
                    yield data if data == "[DONE]" else json.loads(data)

    def pids(self, program):
        """Process ids of this cluster's `program`s (descendants of the launcher)."""
        found = []
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, ValueError):
                command = (folder / "cmdline").read_bytes().split(b"\0")[0].decode()
                if command.endswith("/" + program) and self._descends(int(folder.name)):
                    found.append(int(folder.name))
        return sorted(found)

    def _descends(self, pid):
        while pid > 1:
            if pid == self.process.pid:
                return True
            text = pathlib.Path(f"/proc/{pid}/stat").read_text()
            pid = int(text[text.rindex(")") + 2:].split()[1])
        return False


@contextlib.contextmanager
def cluster(model=DEMO, *flags):
    running = Cluster(model, *flags)
    try:
        yield running
    except BaseException:
        print(running.logs())
        raise
    finally:
        status = running.stop()
    if status != 0:
        raise AssertionError(f"the cluster ended with status {status}{running.logs()}")
