"""Builds tokenizer.json, tokenizer_config.json and generation_config.json of the demo model.

Merges are left-to-right prefix chains of the words that the conversations use most, with their
leading space or capital ("Ġt", "Ġth", "Ġthe"). So digits, quoted words and words without a leading
space stay single characters, which is what makes spelling and arithmetic easy.
"""

import json
from pathlib import Path

from tokenizer import byte_alphabet

FOLDER = Path(__file__).resolve().parent
VOCABULARY_SIZE = 768  # the model's rows, a multiple of 64; the last ids have no token

FIRST = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"]
LAST = ["<think>", "</think>", "<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>", "<｜User｜>",
        "<｜Assistant｜>", "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>",
        "<｜tool▁call▁end｜>", "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>",
        "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>", "<｜tool▁sep｜>"]

# The words of the conversations that save the most tokens, best first; "_" is a leading space.
WORDS = """
_is _the _answer _letter _capital _letters _name _The _numbers _and _" What _of _in Which
_assistant _smaller _are _times _Wednesday Write _Thursday _many _Saturday _larger _capitals
_subtract _to _from _even _helpful _model _Tuesday _month Count Tell _months _value _before
_compare _reverse _does _Sunday _spell _you How _Friday _backwards _September _Monday _Baton
_demo _odd _centimeters _me _after _JSON _appear _than The _or _brief _meet _It Convert
_November Answer _day _count _words _December _days _upper _these _February _October _question
_key _comes _January _second _opposite _sort Nice Your _smallest _August Reverse Spell _am _with
_largest _case _meters _milliliters _first Hello _order Sort Calculate _kilometers _third _can
_add Name Goodbye _millimeters _cents _last _years _March _which _object _April _July _my
_kilograms _tiny
""".split()

# As in DeepSeek-V3, but a digit is always alone.
SPLITS = [
    "\\p{N}",
    "[一-龥\u3040-ゟ゠-ヿ]+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
    "|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*"
    "|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
]

CHAT_TEMPLATE = (
    "{%- if add_generation_prompt is not defined %}{% set add_generation_prompt = false %}"
    "{% endif -%}{{ bos_token }}"
    "{%- for m in messages if m['role'] == 'system' %}{{ m['content'] }}{% endfor -%}"
    "{%- for m in messages %}"
    "{%- if m['role'] == 'user' %}{{ '<｜User｜>' + m['content'] }}"
    "{%- elif m['role'] == 'assistant' %}"
    "{{ '<｜Assistant｜>' + m['content'] + '<｜end▁of▁sentence｜>' }}"
    "{%- endif %}{% endfor -%}"
    "{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% endif %}")


def build_merges(words, room):
    """Prefix chains of the words, as many as fit; a chain is taken whole or not at all."""
    alphabet = byte_alphabet()
    merges, known = [], set()
    for word in words:
        word = word.replace("_", " ")
        chars = "".join(alphabet[b] for b in word.encode())
        chain = [(chars[:i], chars[i]) for i in range(1, len(chars))]
        fresh = [pair for pair in chain if "".join(pair) not in known]
        if len(merges) + len(fresh) <= room:
            merges += fresh
            known.update("".join(pair) for pair in fresh)
    # Shorter prefixes first, so that no chain waits for a pair of a lower rank.
    return sorted(merges, key=lambda pair: len(pair[0]))


def added_token(index, content, special):
    return {"id": index, "content": content, "single_word": False, "lstrip": False,
            "rstrip": False, "normalized": False, "special": special}


def tokenizer_file(merges):
    alphabet = byte_alphabet()
    tokens = [alphabet[b] for b in sorted(alphabet)] + ["".join(pair) for pair in merges]
    vocabulary = {token: len(FIRST) + i for i, token in enumerate(tokens)}
    after = len(FIRST) + len(tokens)
    assert after + len(LAST) <= VOCABULARY_SIZE
    added = [added_token(i, t, True) for i, t in enumerate(FIRST)]
    added += [added_token(after + i, t, False) for i, t in enumerate(LAST)]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                  "use_regex": False}
    split = [{"type": "Split", "pattern": {"Regex": s}, "behavior": "Isolated", "invert": False}
             for s in SPLITS]
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": []},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [*split, byte_level]},
        "post_processor": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False,
                           "use_regex": True},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True,
                    "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False, "vocab": vocabulary,
                  "merges": [" ".join(pair) for pair in merges]},
    }


def config_files():
    def marked(content):
        return {"__type": "AddedToken", "content": content, "lstrip": False, "normalized": True,
                "rstrip": False, "single_word": False}
    tokenizer_config = {
        "add_bos_token": True, "add_eos_token": False, "bos_token": marked(FIRST[0]),
        "clean_up_tokenization_spaces": False, "eos_token": marked(FIRST[1]), "legacy": True,
        "model_max_length": 32768, "pad_token": marked(FIRST[1]), "sp_model_kwargs": {},
        "unk_token": None, "tokenizer_class": "LlamaTokenizerFast",
        "chat_template": CHAT_TEMPLATE}
    generation_config = {"_from_model_config": True, "bos_token_id": 0, "eos_token_id": 1,
                         "do_sample": False, "transformers_version": "4.46.3"}
    return tokenizer_config, generation_config


def main():
    merges = build_merges(WORDS, VOCABULARY_SIZE - 256 - len(FIRST) - len(LAST))
    tokenizer_config, generation_config = config_files()
    for name, content, indent in [("tokenizer.json", tokenizer_file(merges), None),
                                  ("tokenizer_config.json", tokenizer_config, 2),
                                  ("generation_config.json", generation_config, 2)]:
        text = json.dumps(content, ensure_ascii=False, indent=indent)
        (FOLDER / name).write_text(text + "\n", encoding="utf-8")
    print(f"{len(WORDS)} words, {len(merges)} merges, {VOCABULARY_SIZE} rows")


if __name__ == "__main__":
    main()
