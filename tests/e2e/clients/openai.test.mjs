// The official openai package: chats, completions, responses; streams, tools, errors, retries.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { answer, call, calls, cluster, eventually, metric, question, say, scripted, weather }
  from "./common.mjs";

const real = new OpenAI({ baseURL: `${cluster}/v1`, apiKey: "none" });
const script = new OpenAI({ baseURL: `${scripted}/v1`, apiKey: "none" });
const messages = [{ role: "user", content: question }];
const told = (text, order) => [{ role: "user", content: say(text, order) }];
const tools = [{ type: "function",
                 function: { name: "get_weather", description: "w", parameters: weather } }];

test("models", async () => {
  const list = await real.models.list();
  assert.equal(list.data[0].id, "demo");
  assert.equal((await real.models.retrieve("demo")).object, "model");
  await assert.rejects(real.models.retrieve("gpt"), OpenAI.NotFoundError);
});

test("a whole chat", async () => {
  const chat = await real.chat.completions.create({ model: "demo", messages });
  assert.equal(chat.choices[0].message.content, answer);
  assert.equal(chat.choices[0].finish_reason, "stop");
  assert.equal(chat.usage.total_tokens, chat.usage.prompt_tokens + chat.usage.completion_tokens);
  const again = await real.chat.completions.create({ model: "demo", messages });
  const { prompt_tokens, prompt_tokens_details } = again.usage;  // the question was just asked
  assert.ok(prompt_tokens_details.cached_tokens > 0);
  assert.ok(prompt_tokens_details.cached_tokens < prompt_tokens);
  assert.match(chat._request_id, /^req-/);
});

test("a stream, by iterator", async () => {
  const stream = await real.chat.completions.create(
    { model: "demo", messages, stream: true, stream_options: { include_usage: true } });
  let text = "", usage = null, role = null, finish = null;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    role ??= chunk.choices[0]?.delta.role;
    finish = chunk.choices[0]?.finish_reason ?? finish;
    usage = chunk.usage ?? usage;
  }
  assert.deepEqual([text, role, finish], [answer, "assistant", "stop"]);
  assert.equal(usage.completion_tokens, 24);
});

test("a stream, by helper", async () => {
  const stream = real.chat.completions.stream({ model: "demo", messages, logprobs: true });
  const chat = await stream.finalChatCompletion();
  assert.equal(chat.choices[0].message.content, answer);
  assert.equal(chat.choices[0].logprobs.content.length, 24);
});

test("log-probabilities have bytes and alternatives", async () => {
  const chat = await real.chat.completions.create(
    { model: "demo", messages, logprobs: true, top_logprobs: 3, max_completion_tokens: 4 });
  const tokens = chat.choices[0].logprobs.content;
  assert.equal(tokens.length, 4);
  assert.equal(Buffer.from(tokens.flatMap((t) => t.bytes)).toString(), answer.slice(0, 4));
  for (const token of tokens) {
    assert.equal(token.top_logprobs.length, 3);
    assert.equal(token.top_logprobs[0].logprob, token.logprob);
  }
});

test("several choices with a seed", async () => {
  const ask = () => real.chat.completions.create(
    { model: "demo", messages, n: 3, temperature: 2, seed: 5, max_tokens: 8 });
  const [first, second] = [await ask(), await ask()];
  assert.equal(first.choices.length, 3);
  const texts = (chat) => chat.choices.map((c) => c.message.content);
  assert.deepEqual(texts(first), texts(second));
});

test("text completions score what they echo", async () => {
  const done = await real.completions.create(
    { model: "demo", prompt: `<｜User｜>${question}<｜Assistant｜>`, echo: true, logprobs: 2,
      max_tokens: 0 });
  const { tokens, token_logprobs } = done.choices[0].logprobs;
  assert.equal(tokens.length, done.usage.prompt_tokens);
  assert.equal(token_logprobs[0], null);
  assert.ok(token_logprobs.slice(1).every((p) => p <= 0));
});

test("an abort frees the cluster", async () => {
  const before = await metric("baton_cancelled_total");
  const stream = await real.chat.completions.create(
    { model: "demo", messages, stream: true, max_tokens: 3000, ignore_eos: true });
  for await (const chunk of stream) if (chunk.choices[0].delta.content) break;
  stream.controller.abort();
  await eventually(async () => (await metric("baton_cancelled_total")) > before);
  await eventually(async () => (await metric("baton_gateway_requests")) === 0);
});

test("mistakes are told with their parameter and not tried again", async () => {
  let requests = 0;
  const counting = new OpenAI({ baseURL: `${cluster}/v1`, apiKey: "none",
    fetch: (...args) => (++requests, fetch(...args)) });
  const error = await counting.chat.completions.create(
    { model: "demo", messages, temperature: 3 }).catch((e) => e);
  assert.ok(error instanceof OpenAI.BadRequestError);
  assert.equal(error.param, "temperature");
  assert.equal(error.code, "invalid_value");
  assert.equal(requests, 1);
  await assert.rejects(real.chat.completions.create({ model: "gpt", messages }),
    OpenAI.NotFoundError);
});

test("a full cluster is tried again after its Retry-After", async () => {
  const ask = (client) => client.chat.completions.create(
    { model: "demo", messages: told("there", "[refuse 1]") });
  const chat = await ask(script);
  assert.equal(chat.choices[0].message.content, "there");
  const impatient = new OpenAI({ baseURL: `${scripted}/v1`, apiKey: "none", maxRetries: 0 });
  await assert.rejects(impatient.chat.completions.create(
    { model: "demo", messages: told("never", "[refuse 1]") }), OpenAI.RateLimitError);
});

test("a stream that fails raises the server's sentence, everywhere", async () => {
  const lost = { model: "demo", messages: told("one two three four", "[fail 3]"), stream: true };
  await assert.rejects(async () => {
    for await (const chunk of await script.chat.completions.create(lost)) assert.ok(chunk);
  }, /The worker was lost/);
  await assert.rejects(script.chat.completions.stream(lost).finalChatCompletion(),
    /The worker was lost/);
  await assert.rejects(async () => {
    const stream = await script.responses.create(
      { model: "demo", input: lost.messages, stream: true });
    for await (const event of stream) assert.ok(event);
  }, /The worker was lost/);
});

test("calls of tools, streamed", async () => {
  const stream = script.chat.completions.stream({ model: "demo", tools, messages: told(
    "Let me see." + calls(call("get_weather", '{"city": "Paris"}'),
                          call("get_weather", '{"city":"東京"}'))) });
  const chat = await stream.finalChatCompletion();
  const { message, finish_reason } = chat.choices[0];
  assert.equal(finish_reason, "tool_calls");
  assert.equal(message.content, "Let me see.");
  assert.deepEqual(message.tool_calls.map((c) => JSON.parse(c.function.arguments).city),
    ["Paris", "東京"]);
  assert.equal(new Set(message.tool_calls.map((c) => c.id)).size, 2);
});

test("tools are run until the answer", async () => {
  const seen = [];
  const runner = script.chat.completions.runTools({ model: "demo", stream: true,
    messages: told(calls(call("get_weather", '{"city":"Paris"}')) + ":then:It is 21 degrees."),
    tools: [{ type: "function", function: { name: "get_weather", description: "w",
      parameters: weather, parse: JSON.parse,
      function: ({ city }) => (seen.push(city), "21") } }] });
  assert.equal(await runner.finalContent(), "It is 21 degrees.");
  assert.deepEqual(seen, ["Paris"]);
});

test("a call that must come does, and only one", async () => {
  const chat = await script.chat.completions.create({ model: "demo", tools,
    tool_choice: { type: "function", function: { name: "get_weather" } },
    messages: told('{"city":"Rome"}<｜tool▁call▁end｜>') });
  assert.equal(chat.choices[0].message.tool_calls[0].function.arguments, '{"city":"Rome"}');
  assert.equal(chat.choices[0].message.tool_calls.length, 1);
});

test("a call of some tool must come: by name, by schema, whole and streamed", async () => {
  const two = [...tools, { type: "function", function: { name: "now", parameters: {
    type: "object", properties: {}, additionalProperties: false } } }];
  const required = { model: "demo", tools: two, tool_choice: "required" };
  const first = 'get_weather<｜tool▁sep｜>{"city": "Rome"}<｜tool▁call▁end｜>';
  const both = told(first + call("now", "{}") + "<｜tool▁calls▁end｜>");
  const chat = await script.chat.completions.create({ ...required, messages: both });
  const said = (message) => message.tool_calls.map((c) => [c.function.name, c.function.arguments]);
  const expected = [["get_weather", '{"city": "Rome"}'], ["now", "{}"]];
  assert.deepEqual(said(chat.choices[0].message), expected);
  assert.equal(chat.choices[0].finish_reason, "tool_calls");
  const streamed = await script.chat.completions.stream({ ...required, messages: both, n: 2 })
    .finalChatCompletion();
  assert.deepEqual(streamed.choices.map((c) => said(c.message)), [expected, expected]);
  const one = await script.chat.completions.create(
    { ...required, messages: told(first), parallel_tool_calls: false });
  assert.deepEqual(said(one.choices[0].message), [expected[0]]);
  const impatient = new OpenAI({ baseURL: `${scripted}/v1`, apiKey: "none", maxRetries: 0 });
  for (const wrong of ["other<｜tool▁sep｜>{}<｜tool▁call▁end｜>", "No.",
                       'get_weather<｜tool▁sep｜>{"town":1}<｜tool▁call▁end｜>']) {
    await assert.rejects(impatient.chat.completions.create(
      { ...required, messages: told(wrong) }), /leaves the form/);
  }
});

test("malformed calls come back as text", async () => {
  const broken = calls(call("get_weather", "{oops}"));
  const chat = await script.chat.completions.create(
    { model: "demo", tools, messages: told(broken) });
  assert.equal(chat.choices[0].message.content, broken);
  assert.equal(chat.choices[0].message.tool_calls, undefined);
});

test("reasoning is told apart and counted", async () => {
  const chat = await script.chat.completions.create(
    { model: "demo", messages: told("<think>\nhm, yes\n</think>\n\nso") });
  assert.equal(chat.choices[0].message.reasoning_content, "hm, yes");
  assert.equal(chat.choices[0].message.content, "so");
  assert.ok(chat.usage.completion_tokens_details.reasoning_tokens > 0);
});

test("forms of answers are kept to or refused by name", async () => {
  const kept = await real.chat.completions.create({ model: "demo", messages, max_tokens: 64,
    response_format: { type: "json_schema", json_schema: { name: "n", strict: true, schema: {
      type: "object", properties: { n: { type: "integer", minimum: 0, maximum: 99 } },
      required: ["n"], additionalProperties: false } } } });
  assert.ok(Number.isInteger(JSON.parse(kept.choices[0].message.content).n));
  await assert.rejects(real.chat.completions.create({ model: "demo", messages, response_format: {
    type: "json_schema", json_schema: { name: "n", schema: { not: {} } } } }),
  (error) => error.status === 400 && error.message.includes("not"));
});

test("responses, whole and streamed", async () => {
  const whole = await real.responses.create({ model: "demo", input: question });
  assert.equal(whole.output_text, answer);
  assert.equal(whole.status, "completed");
  const stream = real.responses.stream({ model: "demo", input: question });
  let text = "";
  stream.on("response.output_text.delta", (event) => (text += event.delta));
  const last = await stream.finalResponse();
  assert.equal(text, answer);
  assert.equal(last.output_text, answer);
  assert.equal(last.usage.output_tokens, 24);
  const cut = await real.responses.create({ model: "demo", input: question, max_output_tokens: 2 });
  assert.equal(cut.status, "incomplete");
});

test("responses with reasoning and calls", async () => {
  const input = [{ role: "user", content: say(
    "<think>hm</think>" + calls(call("get_weather", '{"city":"Paris"}')) + ":then:21 degrees.") }];
  const flat = [{ type: "function", name: "get_weather", parameters: weather, strict: false }];
  const first = await script.responses.stream({ model: "demo", input, tools: flat })
    .finalResponse();
  assert.deepEqual(first.output.map((o) => o.type), ["reasoning", "function_call"]);
  const { call_id, name } = first.output[1];
  assert.equal(name, "get_weather");
  const second = await script.responses.create({ model: "demo", tools: flat, input: [...input,
    ...first.output, { type: "function_call_output", call_id, output: "21" }] });
  assert.equal(second.output_text, "21 degrees.");
});
