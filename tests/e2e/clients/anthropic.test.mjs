// Anthropic's official package against /v1/messages.
import assert from "node:assert/strict";
import { test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { answer, call, calls, cluster, question, say, scripted, weather } from "./common.mjs";

const real = new Anthropic({ baseURL: cluster, apiKey: "none" });
const script = new Anthropic({ baseURL: scripted, apiKey: "none" });
const ask = (content) => ({ model: "demo", max_tokens: 200, messages: [{ role: "user", content }] });
const tools = [{ name: "get_weather", description: "w", input_schema: weather }];

test("a whole message", async () => {
  const message = await real.messages.create(ask(question));
  assert.deepEqual(message.content, [{ type: "text", text: answer }]);
  assert.equal(message.stop_reason, "end_turn");
  assert.equal(message.usage.output_tokens, 24);
});

test("a stream", async () => {
  let text = "";
  const stream = real.messages.stream(ask(question)).on("text", (piece) => (text += piece));
  const message = await stream.finalMessage();
  assert.equal(text, answer);
  assert.deepEqual(message.content, [{ type: "text", text: answer }]);
  assert.equal(message.usage.output_tokens, 24);
});

test("tokens are counted", async () => {
  const { input_tokens } = await real.messages.countTokens(
    { model: "demo", messages: [{ role: "user", content: question }] });
  assert.equal(input_tokens, 14);
});

test("thinking and tools until the answer", async () => {
  const first = await script.messages.stream({ ...ask(say("<think>hm</think>Let me see." +
    calls(call("get_weather", '{"city":"Paris"}')) + ":then:21 degrees.")), tools }).finalMessage();
  assert.equal(first.stop_reason, "tool_use");
  assert.deepEqual(first.content.map((b) => b.type), ["thinking", "text", "tool_use"]);
  assert.deepEqual(first.content[2].input, { city: "Paris" });
  const whole = await script.messages.create({ ...ask("x"), tools, messages: [
    ask(say(calls(call("get_weather", "{}")) + ":then:21 degrees.")).messages[0],
    { role: "assistant", content: first.content },
    { role: "user", content: [{ type: "tool_result", tool_use_id: first.content[2].id,
                                content: "21" }] }] });
  assert.equal(whole.content[0].text, "21 degrees.");
});

test("stop sequences and limits are told", async () => {
  const stopped = await script.messages.create({ ...ask(say("one STOP two")),
                                                stop_sequences: ["STOP"] });
  assert.equal(stopped.stop_reason, "stop_sequence");
  assert.equal(stopped.stop_sequence, "STOP");
  const cut = await real.messages.create({ ...ask(question), max_tokens: 2 });
  assert.equal(cut.stop_reason, "max_tokens");
});

test("errors and retries", async () => {
  const mistake = await real.messages.create({ ...ask(question), temperature: 3 })
    .catch((e) => e);
  assert.ok(mistake instanceof Anthropic.BadRequestError);
  assert.match(mistake.message, /temperature/);
  const message = await script.messages.create(ask(say("there", "[refuse 1]")));
  assert.equal(message.content[0].text, "there");
  await assert.rejects(script.messages.stream(ask(say("one two three", "[fail 2]"))).finalMessage(),
    /The worker was lost/);
});
