"""A thousand streams, read as `vllm bench serve` and `sglang.bench_serving` read them.

The engine behind the gateway answers at once and says what it is told, so what is tested is what
the gateway makes of tokens. Each body is read twice: in the pieces in which it came, and cut anew
at random places, which must make no difference.
"""
import asyncio
import json
import random
import subprocess
import unittest

from cluster import BIN, DEMO
from stream_rules import RuleBroken, SglangReader, VllmReader

STREAMS = 1000
CONNECTIONS = 16
TEXTS = ("one two three four five six seven eight nine ten",
         "Fünf Wörter — mit Umlauten, 中文 and 😀 emoji 👩‍👩‍👧 too.",
         'quotes " and \\ backslashes, {"json": [1, 2]}, tabs\tand\nnew\n\nlines',
         "data: [DONE]\n\ndata: {\"choices\": []}\n\n: a comment\nevent: x",
         "x")


async def read_head(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    return int(head.split()[1]), dict(line.split(": ", 1) for line in head.split("\r\n")[1:-2])


async def read_stream(reader):
    """The data of each chunk, as they come; the body must end with the last chunk."""
    pieces = []
    while size := int(await reader.readline(), 16):
        pieces.append(await reader.readexactly(size))
        assert await reader.readexactly(2) == b"\r\n"
    assert await reader.readexactly(2) == b"\r\n"
    return pieces


def body_of(number):
    """(path, body, text that is expected, whose rules)."""
    text = TEXTS[number % len(TEXTS)]
    chat = number // len(TEXTS) % 2 == 0
    sglang = number // (2 * len(TEXTS)) % 2 == 1
    prompt = f"say:{text}:end"
    body = {"model": "demo", "stream": True, "temperature": 0.0}
    if chat:
        # As vllm's client sends it: content as a list.
        body["messages"] = [{"role": "user", "content": [{"type": "text", "text": prompt}]}]
        body["max_completion_tokens"] = 200
    else:
        body |= {"prompt": prompt, "max_tokens": 200, "logprobs": None, "repetition_penalty": 1.0}
    if sglang:
        body |= {"best_of": 1, "ignore_eos": False} if not chat else {}
    else:
        body["stream_options"] = {"include_usage": True}
    return ("/v1/chat/completions" if chat else "/v1/completions", body, text,
            SglangReader(chat) if sglang else VllmReader(chat))


class StreamRules(unittest.TestCase):
    def setUp(self):
        self.script = subprocess.Popen([BIN / "scripted_gateway", DEMO], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.end)
        address = self.script.stdout.readline().removeprefix("ready http://").strip()
        self.host, self.port = address.rsplit(":", 1)

    def end(self):
        self.script.stdin.close()
        self.assertEqual(self.script.wait(30), 0)
        self.script.stdout.close()

    async def ask(self, streams, path, body):
        reader, writer = streams
        data = json.dumps(body).encode()
        writer.write(f"POST {path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Length: {len(data)}\r\n"
                     "Content-Type: application/json\r\n\r\n".encode() + data)
        status, fields = await read_head(reader)
        assert status == 200, (status, await reader.read(2000))
        assert fields["content-type"] == "text/event-stream; charset=utf-8"
        return await read_stream(reader)

    async def worker(self, numbers, done):
        streams = await asyncio.open_connection(self.host, self.port)
        for number in numbers:
            path, body, text, rules = body_of(number)
            pieces = await self.ask(streams, path, body)
            for piece in pieces:
                rules.feed(piece)
            done.append((number, text, rules.end(), b"".join(pieces)))
        streams[1].close()

    async def all_streams(self):
        done, numbers = [], iter(range(STREAMS))
        await asyncio.gather(*(self.worker(numbers, done) for _ in range(CONNECTIONS)))
        return done

    def test_a_thousand_streams_are_read_whole(self):
        done = asyncio.run(self.all_streams())
        self.assertEqual(sorted(number for number, *_ in done), list(range(STREAMS)))
        chance = random.Random(7)
        for number, text, (said, pieces, tokens), body in done:
            self.assertEqual(said, text, body[:500])
            if tokens is not None:
                # One token a chunk, or the time between tokens is measured wrong: the end of the
                # answer has no text, nor has a token that is a part of a character.
                if text.isascii():
                    self.assertEqual(pieces, tokens - 1)
                self.assertLess(pieces, tokens)
            again = body_of(number)[3]
            at = 0
            while at < len(body):
                step = chance.randrange(1, 40)
                again.feed(body[at:at + step])
                at += step
            self.assertEqual(again.end(), (said, pieces, tokens))

    def test_the_rules_can_be_broken(self):
        good = b'data: {"choices": [{"text": "a"}]}\n\n'
        usage = b'data: {"choices": [], "usage": {"completion_tokens": 1}}\n\n'
        done = b"data: [DONE]\n\n"
        for reader, body in ((VllmReader, good + usage), (VllmReader, good + done),
                             (VllmReader, good.replace(b"data: ", b"data:") + usage + done),
                             (VllmReader, (good + usage + done).replace(b"\n", b"\r\n")),
                             (SglangReader, good + usage + done), (SglangReader, good),
                             (SglangReader, b": keep-alive\n\n" + good + done)):
            with self.assertRaises(RuleBroken):
                rules = reader(chat=False)
                rules.feed(body)
                rules.end()
        for reader, body in ((VllmReader, good + usage + done), (SglangReader, good + done)):
            rules = reader(chat=False)
            rules.feed(body)
            self.assertEqual(rules.end()[0], "a")


if __name__ == "__main__":
    unittest.main()
