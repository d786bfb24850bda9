"""Answers of a given form: whatever the model would like to say, what it says has the form."""
import contextlib
import json
import pathlib
import re
import shutil
import tempfile
import unittest

from cluster import DEMO, Cluster, cluster, shared

CHAT = {"model": "demo", "messages": [{"role": "user", "content": "What is 37 + 48?"}],
        "max_tokens": 300}
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "tags": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "maxItems": 3},
        "friend": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
    },
    "required": ["name", "age", "tags", "friend"],
    "additionalProperties": False,
}


CITIES = ["Paris", "Rome", "Tokyo"]
TOOLS = [{"type": "function", "function": {"name": name, "parameters": {
    "type": "object", "properties": properties, "required": list(properties)}}}
    for name, properties in (
        ("get_weather", {"city": {"type": "string", "enum": CITIES}}),
        ("add", {n: {"type": "integer", "minimum": 0, "maximum": 99} for n in "ab"}))]


@contextlib.contextmanager
def with_template(template):
    """The demo's folder, with another chat template."""
    with tempfile.TemporaryDirectory(prefix="baton-e2e-") as folder:
        shutil.copytree(DEMO, folder, dirs_exist_ok=True)
        shutil.copy(template, pathlib.Path(folder) / "chat_template.jinja")
        yield folder


def as_format(schema):
    return {"response_format": {"type": "json_schema", "json_schema": {
        "name": "answer", "strict": True, "schema": schema}}}


def check_person(test, person):
    test.assertEqual(list(person), ["name", "age", "tags", "friend"])
    test.assertIsInstance(person["name"], str)
    test.assertLessEqual(len(person["name"]), 12)
    test.assertIsInstance(person["age"], int)
    test.assertTrue(0 <= person["age"] <= 120)
    test.assertLessEqual(len(person["tags"]), 3)
    test.assertLessEqual(set(person["tags"]), {"a", "b", "c"})
    if person["friend"] is not None:
        check_person(test, person["friend"])


class Structured(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()

    @classmethod
    def tearDownClass(cls):
        assert cls.cluster.stop() == 0

    def chat(self, **fields):
        status, _, answer = self.cluster.ask("/v1/chat/completions", {**CHAT, **fields})
        self.assertEqual(status, 200, answer)
        return answer["choices"]

    def token(self, text):
        return self.cluster.ask("/tokenize", {"prompt": text, "add_special_tokens": False}
                                )[2]["tokens"][0]

    def whole(self, check, **fields):
        """Answers that are not cut off satisfy `check`; some must be whole."""
        choices = [c for seed in range(4) for c in self.chat(seed=seed, n=2, **fields)]
        whole = [c["message"]["content"] for c in choices if c["finish_reason"] == "stop"]
        self.assertTrue(whole, choices)
        for content in whole:
            check(content)

    def test_a_schema(self):
        for temperature in (0, 0.7, 1.5):
            self.whole(lambda text: check_person(self, json.loads(text)), temperature=temperature,
                       **as_format(PERSON))

    def test_the_same_with_and_without_drafts_and_in_a_stream(self):
        fields = {"temperature": 0.8, "seed": 3, "return_token_ids": True, **as_format(PERSON)}
        with cluster(DEMO, "--draft-tokens", "0") as other:
            plain = other.ask("/v1/chat/completions", {**CHAT, **fields})[2]["choices"]
        drafted = self.chat(**fields)
        self.assertEqual(drafted, plain)
        events = list(self.cluster.stream("/v1/chat/completions", {**CHAT, **fields}))
        parts = [e["choices"][0] for e in events if e != "[DONE]" and e["choices"]]
        said = "".join(p["delta"].get("content") or "" for p in parts)
        self.assertEqual(said, drafted[0]["message"]["content"])

    def test_any_object(self):
        # The demo would never come to an end of a text: it is helped to close what it opens.
        closing = {str(self.token(text)): 8 for text in ('"', "}")}
        self.whole(lambda text: self.assertIsInstance(json.loads(text), dict), temperature=1,
                   logit_bias=closing, response_format={"type": "json_object"})

    def test_a_pattern(self):
        pattern = r"[A-Z][a-z]{2,9} \d{1,3}(, [a-z]+)?!"
        for name in ("guided_regex", "regex"):
            self.whole(lambda text: self.assertRegex(text, f"^{pattern}$"), **{name: pattern})
        self.whole(lambda text: self.assertRegex(text, f"^{pattern}$"),
                   structured_outputs={"regex": pattern})

    def test_a_choice(self):
        choices = ["85", "eighty-five", "I don't know: \u4f60\u597d"]
        self.whole(lambda text: self.assertIn(text, choices), temperature=2, guided_choice=choices)
        # It ends by itself, however few of its tokens the model would have ended after.
        answer = self.chat(guided_choice=["ab"], min_tokens=50, ignore_eos=True)[0]
        self.assertEqual((answer["message"]["content"], answer["finish_reason"]), ("ab", "stop"))

    def test_a_grammar(self):
        grammar = '''
            root ::= "say " term ("+" term)*
            term ::= [0-9]{1,2} | "(" term ("*" term)? ")"
        '''
        def check(text):
            self.assertRegex(text, r"^say [0-9+*()]+$")
            self.assertEqual(text.count("("), text.count(")"))
        self.whole(check, temperature=1, guided_grammar=grammar)

    def test_log_probabilities_are_those_of_the_model(self):
        free = self.chat(logprobs=True, top_logprobs=5, temperature=0, max_tokens=1)[0]
        bound = self.chat(logprobs=True, top_logprobs=5, temperature=0, guided_choice=["Zebra"])[0]
        self.assertEqual(bound["message"]["content"], "Zebra")
        self.assertEqual(bound["logprobs"]["content"][0]["top_logprobs"],
                         free["logprobs"]["content"][0]["top_logprobs"])

    def test_reasoning_is_free(self):
        tokens = {name: self.token(name) for name in ("<think>", "</think>")}
        fields = {"guided_regex": "[0-9]{3}", "thinking_token_budget": 0, "temperature": 0,
                  "logit_bias": {str(tokens["<think>"]): 100}, "return_token_ids": True}
        answer = self.chat(chat_template_kwargs={"thinking": True}, **fields)[0]
        self.assertIn(tokens["</think>"], answer["token_ids"])
        self.assertRegex(answer["message"]["content"], "^[0-9]{3}$")
        answer = self.chat(**fields)[0]
        self.assertNotIn(tokens["<think>"], answer["token_ids"], "nobody has asked for it")
        self.assertRegex(answer["message"]["content"], "^[0-9]{3}$")

    def check_calls(self, calls):
        for call in calls:
            name, arguments = call["function"]["name"], json.loads(call["function"]["arguments"])
            if name == "add":
                self.assertEqual(sorted(arguments), ["a", "b"])
                self.assertTrue(all(type(n) is int and 0 <= n < 100 for n in arguments.values()))
            else:
                self.assertEqual(name, "get_weather")
                self.assertEqual(list(arguments), ["city"])
                self.assertIn(arguments["city"], CITIES)

    def test_a_call_that_must_come_comes_whole(self):
        called = set()
        for seed in range(4):
            for choice in self.chat(tools=TOOLS, tool_choice="required", temperature=1.5, n=2,
                                    seed=seed, parallel_tool_calls=False):
                self.assertEqual(choice["finish_reason"], "tool_calls", choice)
                self.assertEqual(len(choice["message"]["tool_calls"]), 1)
                self.assertIsNone(choice["message"]["content"])
                self.check_calls(choice["message"]["tool_calls"])
                called.add(choice["message"]["tool_calls"][0]["function"]["name"])
        self.assertEqual(called, {"add", "get_weather"}, "the model chooses")
        named = {"type": "function", "function": {"name": "add"}}
        for choice in self.chat(tools=TOOLS, tool_choice=named, temperature=1.5, n=3):
            self.assertEqual([c["function"]["name"] for c in choice["message"]["tool_calls"]],
                             ["add"])
            self.check_calls(choice["message"]["tool_calls"])

    def test_a_call_that_must_come_is_the_same_in_a_stream(self):
        fields = {"tools": TOOLS, "tool_choice": "required", "temperature": 1.5, "seed": 3, "n": 2,
                  "parallel_tool_calls": False}
        whole = [[c["function"] for c in choice["message"]["tool_calls"]]
                 for choice in self.chat(**fields)]
        calls, finish = [{}, {}], [None, None]
        for event in self.cluster.stream("/v1/chat/completions", {**CHAT, **fields}):
            for part in [] if event == "[DONE]" else event["choices"]:
                finish[part["index"]] = part["finish_reason"] or finish[part["index"]]
                for delta in part["delta"].get("tool_calls", []):
                    call = calls[part["index"]].setdefault(delta["index"],
                                                           {"name": "", "arguments": ""})
                    for key in call:
                        call[key] += delta["function"].get(key) or ""
        self.assertEqual([list(each.values()) for each in calls], whole)
        self.assertEqual(finish, ["tool_calls"] * 2)

    def test_several_calls_that_must_come_keep_to_their_schemas(self):
        ends = [str(self.token(marker)) for marker in ("<｜tool▁call▁begin｜>",
                                                       "<｜tool▁calls▁end｜>")]
        choices = [choice for seed in range(6) for choice in self.chat(
            tools=TOOLS, tool_choice="required", temperature=1, seed=seed, n=2,
            logit_bias=dict.fromkeys(ends, 20))]
        whole = [c["message"]["tool_calls"] for c in choices if c["finish_reason"] == "tool_calls"]
        for calls in whole:
            self.check_calls(calls)
        self.assertTrue(whole)

    def test_calls_must_come_in_each_models_words_and_behind_its_reasoning(self):
        templates = shared("tokenizer/templates")
        for name, thinks in (("r1", True), ("v3-0324", False), ("v3.1-terminus", False),
                             ("v3.1-terminus", True)):
            with with_template(templates / f"{name}.jinja") as model, cluster(model) as other:
                body = {**CHAT, "model": "", "tools": TOOLS, "tool_choice": "required",
                        "temperature": 1,
                        "parallel_tool_calls": False, "thinking_token_budget": 5, "n": 2,
                        "return_token_ids": True}
                if thinks:
                    body["chat_template_kwargs"] = {"thinking": True}
                status, _, answer = other.ask("/v1/chat/completions", body)
                self.assertEqual(status, 200, answer)
                for choice in answer["choices"]:
                    self.assertEqual(choice["finish_reason"], "tool_calls", (name, choice))
                    self.assertEqual(len(choice["message"]["tool_calls"]), 1)
                    self.check_calls(choice["message"]["tool_calls"])
                reasoned = answer["usage"]["completion_tokens_details"]["reasoning_tokens"]
                self.assertEqual(reasoned > 0, thinks, name)

    def test_what_can_not_be_kept_is_refused_by_name(self):
        for fields, param, words in [
                (as_format({"type": "object", "properties": {"a": {"not": {}}}}),
                 "response_format.json_schema.schema",
                 "json_schema: the keyword 'not' is not supported, at #/properties/a"),
                ({"guided_regex": "(?=a)"}, "guided_regex", "look-ahead"),
                ({"guided_grammar": "start: x"}, "guided_grammar", "::="),
                ({"guided_choice": []}, "guided_choice", "1 to 1024 texts"),
                ({"guided_regex": "a", "guided_choice": ["a"]}, None, "both")]:
            status, _, answer = self.cluster.ask("/v1/chat/completions", {**CHAT, **fields})
            self.assertEqual(status, 400, answer)
            if param:
                self.assertEqual(answer["error"]["param"], param)
            self.assertIn(words, answer["error"]["message"])

    def test_many_forms_at_once(self):
        """Each keeps to its own; languages come and go."""
        for number in range(40):
            answer = self.chat(guided_regex=f"no {number}[a-c]{{2}}", temperature=0)[0]
            self.assertTrue(re.fullmatch(f"no {number}[a-c]{{2}}", answer["message"]["content"]))


if __name__ == "__main__":
    unittest.main()
