"""How two benchmark clients read a stream, written anew from their rules: every byte counts.

Both are fed the body of a stream in whatever pieces it came; what they would choke on raises.
VllmReader: `vllm bench serve`. Events are split at an empty line and have the prefix "data: ";
comments are skipped; the first event with choices is the first token; usage is read only from an
event without choices. SglangReader: `sglang.bench_serving`. Each line is JSON behind "data: ", so
there may be no comments; choices[0] is always there, so there may be no usage event.
"""
import json


class RuleBroken(AssertionError):
    pass


def parsed(text):
    try:
        return json.loads(text)
    except ValueError as error:
        raise RuleBroken(f"no JSON: {text[:80]!r}: {error}") from None


def said_by(choice, chat):
    return choice["delta"].get("content") if chat else choice["text"]


class VllmReader:
    def __init__(self, chat):
        self.chat, self.buffer, self.done = chat, b"", False
        self.text, self.pieces, self.usage, self.first = "", 0, None, None
        self.events = 0

    def feed(self, piece):
        self.buffer += piece
        while b"\n\n" in self.buffer:
            message, self.buffer = self.buffer.split(b"\n\n", 1)
            self._event(message.decode("utf-8").strip())

    def _event(self, message):
        if not message or message.startswith(":"):
            return
        if self.done:
            raise RuleBroken(f"something behind [DONE]: {message[:80]!r}")
        if not message.startswith("data: "):
            raise RuleBroken(f"no event: {message[:80]!r}")
        chunk = message.removeprefix("data: ")
        if chunk == "[DONE]":
            self.done = True
            return
        data = parsed(chunk)
        self.events += 1
        if choices := data.get("choices"):
            if self.first is None:
                self.first = self.events
            said = said_by(choices[0], self.chat)
            self.text += said or ""
            self.pieces += bool(said)
        elif usage := data.get("usage"):
            self.usage = usage
        else:
            raise RuleBroken(f"neither choices nor usage: {chunk[:80]!r}")

    def end(self):
        if not self.done or self.buffer:
            raise RuleBroken("the stream ended without [DONE]")
        if self.usage is None:
            raise RuleBroken("no usage came")
        return self.text, self.pieces, self.usage["completion_tokens"]


class SglangReader:
    def __init__(self, chat):
        self.chat, self.buffer, self.done = chat, b"", False
        self.text, self.pieces = "", 0

    def feed(self, piece):
        self.buffer += piece
        while b"\n" in self.buffer:
            line, self.buffer = self.buffer.split(b"\n", 1)
            self._line(line.strip())

    def _line(self, line):
        if not line:
            return
        chunk = line.decode("utf-8").removeprefix("data: ")
        if chunk == "[DONE]":
            self.done = True
            return
        data = parsed(chunk)
        try:
            said = said_by(data["choices"][0], self.chat)
        except (KeyError, IndexError):
            raise RuleBroken(f"no choices[0]: {chunk[:80]!r}") from None
        self.text += said or ""
        self.pieces += bool(said)

    def end(self):
        if not self.done or self.buffer:
            raise RuleBroken("the stream ended without [DONE]")
        return self.text, self.pieces, None
