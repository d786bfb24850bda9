"""TLS from the command line to the bytes: HTTP and gRPC; certificates and keys that change."""
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
import unittest

import grpc

from cluster import BIN, Cluster, DEMO

ANSWER_S = 60


def make_certificate(folder, name):
    """PEM files of a certificate of its own making, put in their place at once, key first."""
    made = pathlib.Path(tempfile.mkdtemp(dir=folder))
    done = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", made / "key.pem", "-out", made / "cert.pem", "-days", "2", "-subj",
         f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for file in ("key.pem", "cert.pem"):
        (made / file).rename(folder / file)
    return folder / "cert.pem", folder / "key.pem"


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("openssl"):
            raise unittest.SkipTest("openssl is absent: apt install openssl")
        cls.place = tempfile.TemporaryDirectory(prefix="baton-e2e-")
        cls.folder = pathlib.Path(cls.place.name)
        cls.certificate, cls.key = make_certificate(cls.folder, "first")
        cls.keys = cls.folder / "keys"
        cls.keys.write_text("one\ntwo\n")
        cls.cluster = Cluster(DEMO, "--tls-cert", cls.certificate, "--tls-key", cls.key,
                              "--api-key-file", cls.keys)

    @classmethod
    def tearDownClass(cls):
        status = cls.cluster.stop()
        cls.place.cleanup()
        assert status == 0

    def connect(self):
        context = ssl.create_default_context(cafile=self.certificate)
        return http.client.HTTPSConnection("localhost", self.cluster.port, timeout=ANSWER_S,
                                           context=context)

    def status(self, key="one"):
        connection = self.connect()
        connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    def subject(self):
        """The name in the certificate that a new connection gets."""
        context = ssl.create_default_context(cafile=self.certificate)
        with contextlib.suppress(OSError):  # the file is ahead of the server for a moment
            connection = http.client.HTTPSConnection("localhost", self.cluster.port,
                                                     timeout=ANSWER_S, context=context)
            connection.connect()
            subject = dict(pair[0] for pair in connection.sock.getpeercert()["subject"])
            connection.close()
            return subject["commonName"]
        return None

    def wait_until(self, holds):
        moment = threading.Event()
        for _ in range(600):
            if holds():
                return
            moment.wait(0.05)
        self.fail("it stays as it is" + self.cluster.logs())

    def hang_up(self):
        for pid in self.cluster.pids("baton-gateway"):
            os.kill(pid, signal.SIGHUP)

    def test_a_stream_is_answered_over_tls(self):
        connection = self.connect()
        connection.request("POST", "/v1/chat/completions", json.dumps({
            "model": "demo", "stream": True, "temperature": 0,
            "messages": [{"role": "user", "content": "What is 37 + 48?"}]}),
            {"Content-Type": "application/json", "Authorization": "Bearer two"})
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200)
        events = answer.read().decode()
        connection.close()
        self.assertTrue(events.endswith("data: [DONE]\n\n"))
        self.assertGreaterEqual(connection_version(self.connect()), "TLSv1.2")

    def chat(self, url, *flags):
        return subprocess.run([BIN / "baton-chat", "--url", url, "--api-key", "one", "--once",
                               "What is 37 + 48?", "--temperature", "0", *flags],
                              capture_output=True, text=True, timeout=ANSWER_S)

    def test_our_own_clients_speak_tls_to_servers_they_trust(self):
        trusted = ("--ca-cert", self.certificate)
        for host in ("localhost", "127.0.0.1"):
            done = self.chat(f"https://{host}:{self.cluster.port}", *trusted)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("85", done.stdout)
        done = self.chat(f"https://localhost:{self.cluster.port}")
        self.assertEqual(done.returncode, 1)
        self.assertIn("is not trusted (self-signed certificate)", done.stderr)
        self.assertIn("--ca-cert", done.stderr)
        done = self.chat(f"https://[::ffff:127.0.0.1]:{self.cluster.port}", *trusted)
        self.assertIn("another name than it", done.stderr)
        done = self.chat(f"http://localhost:{self.cluster.port}")
        self.assertEqual(done.returncode, 1)

    def test_plain_http_gets_nothing(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.cluster.port, timeout=ANSWER_S)
        with self.assertRaises((http.client.HTTPException, OSError)):
            connection.request("GET", "/livez")
            connection.getresponse()
        connection.close()

    def test_grpc_is_encrypted_too(self):
        log = pathlib.Path(self.cluster.folder.name) / "gateway.log"
        address = next(json.loads(line)["grpc"] for line in log.read_text().splitlines()
                       if '"listening"' in line)
        port = address.rsplit(":", 1)[1]
        trusted = grpc.ssl_channel_credentials(self.certificate.read_bytes())
        with grpc.secure_channel(f"localhost:{port}", trusted) as channel:
            answer = channel.unary_unary("/baton.v1.Inference/Models")(
                b"", timeout=ANSWER_S, metadata=(("authorization", "Bearer one"),))
            self.assertIn(b"demo", answer)
        with grpc.insecure_channel(f"localhost:{port}") as channel:
            with self.assertRaises(grpc.RpcError):
                channel.unary_unary("/baton.v1.Inference/Models")(b"", timeout=5)

    def test_keys_and_certificates_change_while_it_serves(self):
        self.assertEqual((self.status("one"), self.status("three")), (200, 401))
        self.keys.write_text("one\nthree\n")
        self.hang_up()
        self.wait_until(lambda: self.status("three") == 200)
        self.assertEqual(self.status("two"), 401)
        self.keys.write_text("one\ntwo\n")
        self.wait_until(lambda: self.status("two") == 200)  # seen without a signal too
        make_certificate(self.folder, "second")
        self.hang_up()
        self.wait_until(lambda: self.subject() == "second")
        make_certificate(self.folder, "third")
        self.wait_until(lambda: self.subject() == "third")

    def test_bad_files_are_refused_with_a_sentence(self):
        for flags, words in ((["--tls-cert", self.certificate], "--tls-key"),
                             (["--tls-cert", "/nowhere", "--tls-key", self.key], "/nowhere"),
                             (["--tls-cert", self.certificate, "--tls-key", self.keys], "key")):
            done = subprocess.run([BIN / "baton-gateway", "--model", DEMO, "--port", "0",
                                   "--grpc-port", "0", *flags],
                                  capture_output=True, text=True, timeout=ANSWER_S)
            self.assertEqual(done.returncode, 1)
            self.assertIn(words, done.stderr)


def connection_version(connection):
    connection.connect()
    version = connection.sock.version()
    connection.close()
    return version


if __name__ == "__main__":
    unittest.main()
