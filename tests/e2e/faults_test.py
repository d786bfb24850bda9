"""Whatever dies, the stream goes on: the same bytes as without the fault, nothing left behind."""
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from cluster import BIN, DEMO, Cluster, cluster

BODY = {"model": "demo", "prompt": "Count the letters. " * 40, "temperature": 0.9, "seed": 11,
        "max_tokens": 150, "ignore_eos": True, "return_token_ids": True}
LOST_RANK = re.compile(r"baton up: \S+ was lost: rank \d+ exited on signal 9")


def tokens_of(events):
    choices = [c for e in events if e != "[DONE]" for c in e["choices"]]
    return [token for choice in choices for token in choice.get("token_ids") or []]


def shared_memory_in_use():
    return {p.name for p in pathlib.Path("/dev/shm").iterdir() if "baton" in p.name}


class Faults(unittest.TestCase):
    def stream_with_fault(self, running, fault, body=BODY):
        """The stream's tokens; `fault` runs after the tenth event."""
        events = []
        for event in running.stream("/v1/completions", body):
            events.append(event)
            if len(events) == 10:
                fault()
        self.assertEqual(events[-1], "[DONE]")
        self.assertFalse([e for e in events if e != "[DONE]" and "error" in e])
        return tokens_of(events)

    def kill(self, running, program):
        pids = running.pids(program)
        self.assertTrue(pids)
        for pid in pids[:1]:
            os.kill(pid, signal.SIGKILL)

    def test_any_daemon_behind_the_gateway_may_die(self):
        before = shared_memory_in_use()
        with cluster(DEMO, "--decode", "instances=2", "--prefill", "instances=2") as running:
            whole = self.stream_with_fault(running, lambda: None)
            self.assertEqual(len(whole), BODY["max_tokens"])
            for program in ("baton-prefill", "baton-scheduler", "baton-decode", "baton-decode"):
                with self.subTest(program):
                    again = self.stream_with_fault(running, lambda p=program: self.kill(running, p))
                    self.assertEqual(again, whole)
        self.assertEqual(shared_memory_in_use(), before)

    def test_an_answer_of_a_form_goes_on_in_its_form(self):
        body = {**BODY, "structured_outputs": {"regex": "([a-z]{1,9} ){200}"}}
        with cluster(DEMO, "--decode", "instances=2") as running:
            whole = self.stream_with_fault(running, lambda: None, body)
            self.assertEqual(len(whole), BODY["max_tokens"])
            again = self.stream_with_fault(running, lambda: self.kill(running, "baton-decode"),
                                           body)
            self.assertEqual(again, whole)

    def test_one_rank_of_an_instance_dies_and_with_it_the_instance(self):
        before = sorted(os.listdir("/dev/shm")), subprocess.check_output(["ipcs", "-a"])
        ranks = ("--prefill", "tp=2,dp=1", "--decode", "tp=2,dp=2")
        with cluster(DEMO, *ranks) as running:
            whole = self.stream_with_fault(running, lambda: None)
            for program, rank in (("baton-decode", -1), ("baton-decode", 0), ("baton-prefill", -1)):
                with self.subTest(program, rank=rank):
                    pids = running.pids(program)
                    again = self.stream_with_fault(
                        running, lambda p=pids[rank]: os.kill(p, signal.SIGKILL))
                    self.assertEqual(again, whole)
                    self.wait_until(lambda old=pids, name=program:
                                    not set(old) & set(running.pids(name)))
            self.wait_until(lambda: len(LOST_RANK.findall("".join(running.said))) == 3)
        after = sorted(os.listdir("/dev/shm")), subprocess.check_output(["ipcs", "-a"])
        self.assertEqual(after, before, "a dead rank leaves nothing")

    def test_a_rank_may_die_at_any_moment(self):
        """While it starts, idle, in a long prompt's prefill, while experts move."""
        before = sorted(os.listdir("/dev/shm")), subprocess.check_output(["ipcs", "-a"])
        ranks = ("--prefill", "tp=2,dp=1,redundant=4", "--decode", "tp=1,dp=2,redundant=4")
        prompt = {"prompt": "Count the letters of the words. " * 250, "max_tokens": 20,
                  "temperature": 0, "ignore_eos": True}
        with cluster(DEMO, *ranks) as running:
            whole = running.complete(**prompt)["text"]
            moments = {
                "idle": lambda: None,
                "a rebalance": lambda: running.ask("/admin/rebalance", "{}"),
            }
            for name, begin in moments.items():
                for program in ("baton-decode", "baton-prefill"):
                    with self.subTest(name, program=program):
                        begin()
                        self.lose_a_rank(running, program)
                        self.assertEqual(running.complete(**prompt)["text"], whole)
            with self.subTest("a long prompt's prefill"):
                # Decode keeps the other prompt; this one has to be computed, by a prefill.
                other = {**prompt, "prompt": "Now. " + prompt["prompt"]}
                self.wait_until(lambda: any(
                    i["role"] == "prefill" and not i["stale"]
                    for i in running.ask("/debug/kv")[2]["instances"]))
                steps = running.metric("baton_prefill_steps_total")
                answers = []
                asking = threading.Thread(target=lambda: answers.append(running.complete(**other)))
                asking.start()
                self.wait_until(lambda: running.metric("baton_prefill_steps_total") > steps)
                self.lose_a_rank(running, "baton-prefill")
                asking.join()
                self.assertEqual(answers[0]["text"], running.complete(**other)["text"])
            with self.subTest("a start"):
                self.lose_a_rank(running, "baton-decode")
                self.lose_a_rank(running, "baton-decode")  # which is only starting
                self.assertEqual(running.complete(**prompt)["text"], whole)
        after = sorted(os.listdir("/dev/shm")), subprocess.check_output(["ipcs", "-a"])
        self.assertEqual(after, before, "a dead rank leaves nothing")

    def lose_a_rank(self, running, program):
        """Kills its last rank; returns when the instance has ended and another is starting."""
        self.wait_until(lambda: len(running.pids(program)) == 2)
        old = running.pids(program)
        os.kill(old[-1], signal.SIGKILL)
        self.wait_until(lambda: running.pids(program) and not set(old) & set(running.pids(program)))

    def test_both_decode_instances_die_and_come_back(self):
        with cluster(DEMO, "--decode", "instances=2") as running:
            whole = self.stream_with_fault(running, lambda: None)

            def kill_all():
                for pid in running.pids("baton-decode"):
                    os.kill(pid, signal.SIGKILL)

            self.assertEqual(self.stream_with_fault(running, kill_all), whole)

    def test_a_client_that_leaves_frees_everything(self):
        with cluster(DEMO) as running:
            for _ in range(3):
                stream = running.stream("/v1/completions", {**BODY, "max_tokens": 4000})
                next(stream)
                stream.close()  # the client is gone
            deadline = threading.Event()
            for _ in range(300):
                pools = running.ask("/debug/kv")[2]
                if self.all_free(pools):
                    return
                deadline.wait(0.05)
            self.fail(f"pages are held: {pools}")

    def all_free(self, pools):
        return all(p["pages"]["free"] + p["pages"]["cached"] == p["pages"]["total"]
                   for p in pools["instances"])

    def test_a_drain_finishes_what_runs(self):
        with cluster(DEMO) as running:
            whole = self.stream_with_fault(running, lambda: None)
            again = self.stream_with_fault(
                running, lambda: running.process.send_signal(signal.SIGTERM))
            self.assertEqual(again, whole)

    def test_a_gateway_that_died_comes_back_where_it_was(self):
        with cluster() as running:
            before = running.complete("What is 1 + 1?", max_tokens=8)
            grpc = self.listening(running)["grpc"]
            self.kill(running, "baton-gateway")
            self.wait_until(lambda: self.answers(running))
            self.assertEqual(running.complete("What is 1 + 1?", max_tokens=8), before)
            self.assertEqual(self.listening(running)["grpc"], grpc)

    def listening(self, running):
        """What the gateway said last about its addresses."""
        log = (pathlib.Path(running.folder.name) / "gateway.log").read_text().splitlines()
        events = [json.loads(line) for line in log if line.startswith("{")]
        return [event for event in events if event["event"] == "listening"][-1]

    def answers(self, running):
        try:
            return running.ask("/readyz")[0] == 200
        except OSError:
            return False

    def test_a_closed_terminal_drains(self):
        with cluster(DEMO) as running:
            whole = self.stream_with_fault(running, lambda: None)
            again = self.stream_with_fault(
                running, lambda: running.process.send_signal(signal.SIGHUP))
            self.assertEqual(again, whole)

    def test_a_killed_launcher_takes_its_daemons_along(self):
        """Also while they start: mpirun listens to few signals then."""
        folder = tempfile.TemporaryDirectory(prefix="baton-e2e-")  # for what the dead leave there
        self.addCleanup(folder.cleanup)
        for sign in (b"mpirun", b"baton-decode"):
            with self.subTest(killed_when_there_is=sign):
                mark = f"BATON_E2E_MARK={os.getpid()}-{sign.decode()}"
                launcher = subprocess.Popen(
                    [BIN / "baton", "up", "--model", DEMO, "--port", "0", "--grpc-port", "0",
                     "--kv-memory", "256M"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    env={**os.environ, "TMPDIR": folder.name, **dict([mark.split("=")])})
                self.wait_until(lambda m=mark, s=sign: any(s in c for c in marked(m).values()))
                launcher.kill()
                launcher.wait()
                try:
                    self.wait_until(lambda m=mark: not marked(m))
                finally:
                    for pid in marked(mark):
                        os.kill(pid, signal.SIGKILL)
        left = list(pathlib.Path(folder.name).glob("baton-up-*"))
        self.assertEqual(len(left), 1, "the second has removed what the first left")
        Cluster(environment={**os.environ, "TMPDIR": folder.name}).stop()
        left = list(pathlib.Path(folder.name).glob("baton-up-*"))
        self.assertEqual(left, [], "the next launcher removes what the killed ones left")

    def wait_until(self, holds):
        deadline = time.monotonic() + 30
        while not holds():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)


def marked(mark):
    """By id, the first words of the commands whose environment has the mark."""
    found = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                words = (folder / "cmdline").read_bytes().split(b"\0")
                found[int(folder.name)] = b" ".join(words[:2])
        except OSError:
            pass
    return found


if __name__ == "__main__":
    unittest.main()
