"""The gRPC door: the same answers as over HTTP, and what clients, probes and grpcurl ask of it."""
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

import grpc

from cluster import BIN, Cluster, SOURCE

TEXT = "What is 37 + 48?"
TOKENS = 30
ANSWER_S = 60
OPENAI_REASON = {1: "stop", 2: "length"}  # FinishReason


def stubs():
    """The messages' modules, generated from the .proto files into a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="baton-e2e-") as folder:
        subprocess.run(["protoc", "-I", SOURCE / "proto", f"--python_out={folder}",
                        "baton/v1/request.proto", "baton/v1/inference.proto",
                        "baton/v1/rpc_status.proto"], check=True)
        sys.path.insert(0, folder)
        try:
            from baton.v1 import inference_pb2, request_pb2, rpc_status_pb2  # noqa: E402: just made
        finally:
            sys.path.remove(folder)
    return inference_pb2, request_pb2, rpc_status_pb2


class Grpc(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.inference, cls.request, cls.rpc_status = stubs()
        cls.cluster = Cluster()
        cls.channel = grpc.insecure_channel(cls.grpc_address())
        cls.generate_call = cls.channel.unary_stream(
            "/baton.v1.Inference/Generate",
            request_serializer=cls.inference.GenerateRequest.SerializeToString,
            response_deserializer=cls.inference.GenerateResponse.FromString)

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        assert cls.cluster.stop() == 0

    @classmethod
    def grpc_address(cls):
        """The gateway's log says it: the port was any free one."""
        log = pathlib.Path(cls.cluster.folder.name) / "gateway.log"
        for line in log.read_text().splitlines():
            if line.startswith("{") and json.loads(line)["event"] == "listening":
                return json.loads(line)["grpc"]
        raise AssertionError(f"no address in {log}")

    def request_of(self, max_tokens=TOKENS, temperature=0.0, **fields):
        fields.setdefault("model", "demo")
        return self.inference.GenerateRequest(
            sampling=self.request.SamplingParams(temperature=temperature, seed=5),
            stop=self.request.StopParams(max_tokens=max_tokens, ignore_eos=max_tokens > TOKENS),
            **fields)

    def generate(self, **fields):
        """(text, token ids, finish reason, usage) of a request's only choice."""
        events = list(self.generate_call(self.request_of(**fields), timeout=ANSWER_S))
        tokens = [event.token for event in events if event.HasField("token")]
        self.assertTrue(events[-1].HasField("usage"))
        self.assertEqual([token.index for token in tokens], list(range(len(tokens))))
        usage = events[-1].usage
        return ("".join(token.text for token in tokens), [token.token for token in tokens],
                OPENAI_REASON[tokens[-1].finish], (usage.prompt_tokens, usage.completion_tokens))

    def test_bytes_that_are_no_message_are_the_callers_mistake(self):
        for method in ("Generate", "Chat", "Tokenize", "Detokenize", "Models"):
            path = f"/baton.v1.Inference/{method}"
            call = (self.channel.unary_stream if method in ("Generate", "Chat")
                    else self.channel.unary_unary)(path)
            with self.assertRaises(grpc.RpcError) as caught:
                list(call(b"\x0a\xff\xff\xff\xff\x0f", timeout=ANSWER_S))
            self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT, method)
        with self.assertRaises(grpc.RpcError) as caught:
            self.channel.unary_unary("/baton.v1.Inference/Nothing")(b"", timeout=ANSWER_S)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

    def over_http(self, path, **fields):
        status, _, answer = self.cluster.ask(path, {
            "model": "demo", "temperature": 0, "seed": 5, "max_tokens": TOKENS, **fields})
        self.assertEqual(status, 200, answer)
        choice, usage = answer["choices"][0], answer["usage"]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
        return (text, choice.get("token_ids"), choice["finish_reason"],
                (usage["prompt_tokens"], usage["completion_tokens"]))

    def refused(self, code, **fields):
        with self.assertRaises(grpc.RpcError) as caught:
            self.generate(**fields)
        self.assertEqual(caught.exception.code(), code)
        self.assertGreater(len(caught.exception.details().split()), 3)
        return dict(caught.exception.trailing_metadata()).get("error-param")

    def unary(self, path, message, timeout=ANSWER_S):
        return self.channel.unary_unary(path)(message, timeout=timeout)

    def test_text_gets_the_answer_that_http_gives(self):
        self.assertEqual(self.generate(text=TEXT),
                         self.over_http("/v1/completions", prompt=TEXT, return_token_ids=True))

    def test_token_ids_get_the_answer_that_http_gives(self):
        ids = self.cluster.ask("/tokenize", {"model": "demo", "prompt": TEXT})[2]["tokens"]
        answer = self.generate(tokens=self.request.Tokens(ids=ids), temperature=0.9)
        self.assertEqual(answer, self.over_http("/v1/completions", prompt=ids, temperature=0.9,
                                                return_token_ids=True))

    def test_a_chat_gets_the_answer_that_http_gives(self):
        message = {"role": "user", "content": TEXT}
        chat = self.inference.Chat(messages=[self.inference.ChatMessage(**message)])
        text, _, finish, usage = self.generate(chat=chat)
        http = self.over_http("/v1/chat/completions", messages=[message])
        self.assertEqual((text, finish, usage), (http[0], http[2], http[3]))
        self.assertEqual(finish, "stop")

    def test_max_tokens_ends_with_length(self):
        chat = self.inference.Chat(messages=[
            self.inference.ChatMessage(role="user", content=TEXT)])
        _, ids, finish, usage = self.generate(chat=chat, max_tokens=1)
        self.assertEqual((len(ids), finish, usage[1]), (1, "length", 1))

    def test_a_cancelled_call_frees_its_pages(self):
        call = self.generate_call(self.request_of(text=TEXT, max_tokens=20_000), timeout=ANSWER_S)
        next(call)
        self.wait_until(lambda pools: any(p["free"] + p["cached"] < p["total"] for p in pools))
        call.cancel()
        self.wait_until(lambda pools: all(p["free"] + p["cached"] == p["total"] for p in pools))

    def wait_until(self, holds):
        """Heartbeats bring the state of the pools to the gateway."""
        moment = threading.Event()
        for _ in range(600):
            pools = [i["pages"] for i in self.cluster.ask("/debug/kv")[2]["instances"]]
            if holds(pools):
                return
            moment.wait(0.05)
        self.fail(f"the pools stay so: {pools}")

    def test_a_deadline_ends_the_call(self):
        call = self.generate_call(self.request_of(text=TEXT, max_tokens=20_000), timeout=0.5)
        with self.assertRaises(grpc.RpcError) as caught:
            list(call)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)

    def test_bad_requests_name_the_field(self):
        bad = grpc.StatusCode.INVALID_ARGUMENT
        self.assertEqual(self.refused(bad), "prompt")
        self.assertEqual(self.refused(bad, tokens=self.request.Tokens()), "prompt")
        self.assertEqual(self.refused(bad, tokens=self.request.Tokens(ids=[10**9])), "prompt")
        self.assertEqual(self.refused(bad, text="a " * 100_000), "prompt")
        self.assertEqual(self.refused(bad, chat=self.inference.Chat()), "messages")
        self.assertEqual(self.refused(bad, text=TEXT, temperature=3), "temperature")
        self.assertEqual(self.refused(bad, text=TEXT, temperature=float("nan")), "temperature")
        self.assertEqual(self.refused(bad, text=TEXT, max_tokens=0), "max_tokens")
        self.assertEqual(self.refused(bad, text=TEXT, choices=10_000), "n")
        self.assertEqual(self.refused(grpc.StatusCode.NOT_FOUND, text=TEXT, model="gpt"), "model")

    def chat(self, messages, max_tokens=TOKENS, **fields):
        """(content, reasoning, calls, finish, usage) of a turn's only choice."""
        request = self.inference.ChatRequest(
            model="demo", messages=messages,
            sampling=self.request.SamplingParams(temperature=0, seed=5),
            stop=self.request.StopParams(max_tokens=max_tokens), **fields)
        call = self.channel.unary_stream(
            "/baton.v1.Inference/Chat",
            request_serializer=self.inference.ChatRequest.SerializeToString,
            response_deserializer=self.inference.ChatResponse.FromString)
        events = list(call(request, timeout=ANSWER_S))
        deltas = [event.delta for event in events if event.HasField("delta")]
        self.assertTrue(events[-1].HasField("usage"))
        calls = [piece for delta in deltas for piece in delta.tool_calls]
        return ("".join(d.content for d in deltas), "".join(d.reasoning for d in deltas), calls,
                deltas[-1].finish, events[-1].usage, deltas)

    def user(self, text):
        return self.inference.ChatMessage(role="user", content=text)

    def test_a_turn_of_a_chat_gets_the_answer_that_http_gives(self):
        content, reasoning, calls, finish, usage, _ = self.chat([self.user(TEXT)])
        http = self.over_http("/v1/chat/completions",
                              messages=[{"role": "user", "content": TEXT}])
        self.assertEqual((content, (usage.prompt_tokens, usage.completion_tokens)),
                         (http[0], http[3]))
        self.assertEqual((reasoning, calls), ("", []))
        self.assertEqual(finish, self.inference.CHAT_FINISH_STOP)

    def test_a_turn_has_scores_if_asked_and_ends_at_its_limit(self):
        *_, finish, usage, deltas = self.chat(
            [self.user(TEXT)], max_tokens=3,
            report=self.request.ReportParams(logprobs=True, top_logprobs=2))
        self.assertEqual(finish, self.inference.CHAT_FINISH_LENGTH)
        scores = [score for delta in deltas for score in delta.scores]
        self.assertEqual(len(scores), usage.completion_tokens)
        self.assertTrue(all(len(score.top) == 2 and score.logprob <= 0 for score in scores))

    def test_a_chat_may_have_tools_and_a_history_of_calls(self):
        call = self.inference.ToolCall(id="c1", name="add", arguments='{"a": 37, "b": 48}')
        tool = self.inference.Tool(name="add", description="Adds.", parameters='{"type": "object"}')
        content, *_ = self.chat(
            [self.user(TEXT), self.inference.ChatMessage(role="assistant", tool_calls=[call]),
             self.inference.ChatMessage(role="tool", tool_call_id="c1", content="85")],
            tools=[tool], tool_mode=self.inference.TOOL_MODE_NONE)
        self.assertIsInstance(content, str)
        with self.assertRaises(grpc.RpcError) as caught:
            self.chat([self.user(TEXT)], tool_name="none")
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)

    def test_tokens_of_text_and_text_of_tokens(self):
        ask = self.inference.TokenizeRequest(model="demo", text=TEXT)
        answer = self.inference.TokenizeResponse.FromString(
            self.unary("/baton.v1.Inference/Tokenize", ask.SerializeToString()))
        http = self.cluster.ask("/tokenize", {"model": "demo", "prompt": TEXT})[2]
        self.assertEqual(list(answer.tokens.ids), http["tokens"])
        self.assertEqual(answer.context_tokens, http["max_model_len"])
        ask = self.inference.TokenizeRequest(
            model="demo", chat=self.inference.Chat(messages=[self.user(TEXT)]))
        chat = self.inference.TokenizeResponse.FromString(
            self.unary("/baton.v1.Inference/Tokenize", ask.SerializeToString()))
        self.assertEqual(list(chat.tokens.ids), self.cluster.ask("/tokenize", {
            "model": "demo", "messages": [{"role": "user", "content": TEXT}]})[2]["tokens"])
        back = self.inference.DetokenizeRequest(model="demo", tokens=answer.tokens)
        text = self.inference.DetokenizeResponse.FromString(
            self.unary("/baton.v1.Inference/Detokenize", back.SerializeToString())).text
        self.assertIn(TEXT, text)

    def test_errors_have_details_for_programs(self):
        with self.assertRaises(grpc.RpcError) as caught:
            self.generate(text=TEXT, temperature=3)
        told = dict(caught.exception.trailing_metadata())["grpc-status-details-bin"]
        status = self.rpc_status.Status.FromString(told)
        self.assertEqual(status.message, caught.exception.details())
        info, bad = self.rpc_status.ErrorInfo(), self.rpc_status.BadRequest()
        self.assertTrue(status.details[0].Unpack(info))
        self.assertEqual((info.domain, info.reason), ("baton", "INVALID_VALUE"))
        self.assertTrue(status.details[1].Unpack(bad))
        self.assertEqual(bad.field_violations[0].field, "temperature")

    def test_the_example_clients_get_an_answer(self):
        examples = ([BIN / "baton-grpc-example"],
                    [sys.executable, SOURCE / "deploy/examples/grpc/chat.py"])
        for command in examples:
            done = subprocess.run([*command, self.grpc_address(), TEXT], capture_output=True,
                                  text=True, timeout=ANSWER_S)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("85", done.stdout)
            self.assertRegex(done.stdout, r"\d+ tokens in, \d+ out")
            done = subprocess.run([*command, self.grpc_address(), "a " * 60_000],
                                  capture_output=True, text=True, timeout=ANSWER_S)
            self.assertEqual(done.returncode, 1)
            self.assertIn("CONTEXT_LENGTH_EXCEEDED", done.stderr)

    def test_the_models_are_those_of_http(self):
        answer = self.unary("/baton.v1.Inference/Models", b"")
        model = self.inference.ModelsResponse.FromString(answer).models[0]
        http = self.cluster.ask("/v1/models")[2]["data"][0]
        self.assertEqual((model.name, model.context_tokens), (http["id"], http["max_model_len"]))
        self.assertEqual((len(model.fingerprint), model.numeric_mode), (64, "exact"))

    def test_health_says_serving(self):
        """Of the server, which the empty message asks about, and of the service by its name."""
        serving = b"\x08\x01"  # HealthCheckResponse{status: SERVING}
        name = b"baton.v1.Inference"
        for question in (b"", b"\x0a" + bytes([len(name)]) + name):
            self.assertEqual(self.unary("/grpc.health.v1.Health/Check", question), serving)

    def test_reflection_lists_the_service(self):
        reflect = self.channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        list_services = b"\x3a\x01*"  # ServerReflectionRequest{list_services: "*"}
        self.assertIn(b"baton.v1.Inference",
                      b"".join(reflect(iter([list_services]), timeout=ANSWER_S)))


if __name__ == "__main__":
    unittest.main()
