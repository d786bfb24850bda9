"""A small encoder and decoder for the demo model's tokenizer.json, for training and export.

It follows the file exactly: added tokens are cut out first, then the Split patterns are applied
one after another, then byte-level BPE by merge rank. Python's `re` has no Unicode categories, so
they are spelled out as character ranges.
"""

import json
import re
import sys
import unicodedata
from functools import lru_cache
from pathlib import Path

WHITE_SPACE = "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000"


def byte_alphabet():
    """The byte-to-character table of byte-level BPE: printable bytes stand for themselves."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {b: chr(b) for b in printable}
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + len(table) - len(printable))
    return table


@lru_cache(maxsize=None)
def category_ranges(major):
    """The inside of a character class that matches one major Unicode category (L, M, N, P, S)."""
    ranges, start = [], None
    for point in range(sys.maxunicode + 2):
        inside = point <= sys.maxunicode and unicodedata.category(chr(point))[0] == major
        if inside and start is None:
            start = point
        elif not inside and start is not None:
            ranges.append((start, point - 1))
            start = None
    return "".join(f"\\U{a:08x}-\\U{b:08x}" for a, b in ranges)


def translate(pattern):
    """Rewrites the patterns that DeepSeek's tokenizer uses for Python's `re`."""
    out, i, in_class = [], 0, False
    while i < len(pattern):
        if pattern.startswith("\\p{", i):
            ranges = category_ranges(pattern[i + 3])
            out.append(ranges if in_class else f"[{ranges}]")
            i += 5
        elif pattern.startswith("\\s", i) or pattern.startswith("\\S", i):
            out.append(f"[{'^' if pattern[i + 1] == 'S' else ''}{WHITE_SPACE}]")
            i += 2
        elif pattern[i] == "\\":
            out.append(pattern[i:i + 2])
            i += 2
        else:
            in_class = (in_class or pattern[i] == "[") and pattern[i] != "]"
            out.append(pattern[i])
            i += 1
    return re.compile("".join(out))


class Tokenizer:
    def __init__(self, path):
        spec = json.loads(Path(path).read_text(encoding="utf-8"))
        self.vocabulary = spec["model"]["vocab"]
        self.rank = {tuple(m.split(" ")): i for i, m in enumerate(spec["model"]["merges"])}
        self.added = {t["content"]: t["id"] for t in spec["added_tokens"]}
        self.special = {t["id"] for t in spec["added_tokens"] if t["special"]}
        steps = spec["pre_tokenizer"]["pretokenizers"]
        self.splits = [translate(s["pattern"]["Regex"]) for s in steps if s["type"] == "Split"]
        self.to_char = byte_alphabet()
        self.to_byte = {c: b for b, c in self.to_char.items()}
        self.text_of = {i: t for t, i in [*self.vocabulary.items(), *self.added.items()]}
        self.added_pattern = re.compile("(" + "|".join(map(re.escape, self.added)) + ")")
        self.cache = {}

    def pieces(self, text):
        """The pre-tokens of a text that holds no added token."""
        parts = [text]
        for split in self.splits:
            parts = [piece for part in parts for piece in isolate(split, part)]
        return parts

    def bpe(self, piece):
        if piece not in self.cache:
            symbols = [self.to_char[b] for b in piece.encode("utf-8")]
            while len(symbols) > 1:
                ranks = [self.rank.get(pair, 1 << 30) for pair in zip(symbols, symbols[1:])]
                best = min(ranks)
                if best == 1 << 30:
                    break
                # All places of the best pair merge in one pass, from the left.
                left, right = symbols[ranks.index(best)], symbols[ranks.index(best) + 1]
                merged, i = [], 0
                while i < len(symbols):
                    if symbols[i:i + 2] == [left, right]:
                        merged.append(left + right)
                        i += 2
                    else:
                        merged.append(symbols[i])
                        i += 1
                symbols = merged
            self.cache[piece] = [self.vocabulary[s] for s in symbols]
        return self.cache[piece]

    def encode(self, text):
        """Token ids of a text; text that spells an added token becomes that token."""
        ids = []
        for part in self.added_pattern.split(text):
            if part in self.added:
                ids.append(self.added[part])
            elif part:
                ids += self.encode_plain(part)
        return ids

    def encode_plain(self, text):
        """Token ids of a text in which nothing counts as an added token."""
        return [i for piece in self.pieces(text) for i in self.bpe(piece)]

    def decode(self, ids):
        out = bytearray()
        for i in ids:
            text = self.text_of.get(int(i), "")
            if text in self.added:
                out += text.encode("utf-8")
            else:
                out += bytes(self.to_byte[c] for c in text)
        return out.decode("utf-8", errors="replace")


def isolate(pattern, text):
    """Cuts a text at every match: matches and what is between them are the pieces."""
    start = 0
    for match in pattern.finditer(text):
        if match.start() > start:
            yield text[start:match.start()]
        if match.end() > match.start():
            yield match.group()
        start = match.end()
    if start < len(text):
        yield text[start:]
