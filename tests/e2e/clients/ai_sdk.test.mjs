// Vercel's ai package with its providers for openai, compatible servers, and DeepSeek.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createDeepSeek } from "@ai-sdk/deepseek";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { answer, call, calls, cluster, eventually, metric, question, say, scripted }
  from "./common.mjs";

const providers = (base) => ({
  compatible: createOpenAICompatible(
    { name: "baton", baseURL: `${base}/v1`, includeUsage: true,
      supportsStructuredOutputs: true })("demo"),
  "openai chat": createOpenAI({ baseURL: `${base}/v1`, apiKey: "none" }).chat("demo"),
  "openai responses": createOpenAI({ baseURL: `${base}/v1`, apiKey: "none" })("demo"),
  deepseek: createDeepSeek({ baseURL: base, apiKey: "none" })("demo"),
});
const real = providers(cluster), script = providers(scripted);
const weather = (seen) => tool({ description: "w", inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => (seen.push(city), "21") });

for (const name of Object.keys(real)) {
  test(`${name}: whole`, async () => {
    const { text, finishReason, usage } = await generateText(
      { model: real[name], prompt: question });
    assert.equal(text, answer);
    assert.equal(finishReason, "stop");
    assert.equal(usage.outputTokens, 24);
  });

  test(`${name}: streamed`, async () => {
    const result = streamText({ model: real[name], prompt: question });
    let text = "", chunks = 0;
    for await (const part of result.textStream) text += part, ++chunks;
    assert.equal(text, answer);
    assert.ok(chunks >= 20);
    assert.equal(await result.finishReason, "stop");
    assert.equal((await result.usage).outputTokens, 24);
  });

  test(`${name}: aborted`, async () => {
    const before = await metric("baton_cancelled_total");
    const abort = new AbortController();
    const result = streamText({ model: real[name], abortSignal: abort.signal, onError() {},
      prompt: "Repeat: " + "a b c d e f g h i j k l m n o p ".repeat(4) });
    for await (const part of result.fullStream) {
      if (part.type === "text-delta") abort.abort();
    }
    await eventually(async () => (await metric("baton_gateway_requests")) === 0);
    assert.ok((await metric("baton_cancelled_total")) >= before);
  });

  test(`${name}: tools are run until the answer`, async () => {
    const seen = [];
    const { text, steps } = await generateText({ model: script[name],
      tools: { get_weather: weather(seen) }, stopWhen: stepCountIs(3),
      prompt: say("Let me see." + calls(call("get_weather", '{"city":"Paris"}'),
        call("get_weather", '{"city": "Rome"}')) + ":then:It is 21 degrees.") });
    assert.deepEqual(seen, ["Paris", "Rome"]);
    assert.equal(text, "It is 21 degrees.");
    assert.equal(steps[0].finishReason, "tool-calls");
  });

  test(`${name}: tools, streamed`, async () => {
    const seen = [];
    const result = streamText({ model: script[name], tools: { get_weather: weather(seen) },
      stopWhen: stepCountIs(3),
      prompt: say(calls(call("get_weather", '{"city":"Paris"}')) + ":then:21.") });
    let fragments = 0, text = "";
    for await (const part of result.fullStream) {
      if (part.type === "tool-input-delta") ++fragments;
      if (part.type === "text-delta") text += part.text;
      assert.notEqual(part.type, "error");
    }
    assert.ok(fragments > 1);
    assert.deepEqual([seen, text], [["Paris"], "21."]);
  });

  test(`${name}: reasoning`, async () => {
    const { text, reasoningText } = await generateText(
      { model: script[name], prompt: say("<think>hm</think>so") });
    assert.equal(text, "so");
    // The provider for openai's own chats has no reasoning; that of responses wants a summary.
    if (!name.startsWith("openai")) assert.equal(reasoningText, "hm");
  });

  test(`${name}: structured output`, async () => {
    const schema = z.object({ n: z.number().int().min(0).max(99), sure: z.boolean() });
    // DeepSeek's own API knows no schemas: any object is asked for, and one is scripted.
    const model = name === "deepseek" ? script.deepseek : real[name];
    const { output } = await generateText({ model, output: Output.object({ schema }),
      maxOutputTokens: 200, maxRetries: 0,
      prompt: name === "deepseek" ? say('{"n": 85, "sure": true}') : question });
    assert.ok(Number.isInteger(output.n) && output.n >= 0 && output.n <= 99);
    assert.equal(typeof output.sure, "boolean");
  });

  test(`${name}: a stream that fails raises the server's sentence`, async () => {
    const result = streamText({ model: script[name], onError() {}, maxRetries: 0,
      prompt: say("one two three four", "[fail 3]") });
    const errors = [];
    for await (const part of result.fullStream) if (part.type === "error") errors.push(part.error);
    assert.match(JSON.stringify(errors.map((e) => e.message ?? e)), /The worker was lost/);
  });

  test(`${name}: mistakes and retries`, async () => {
    const error = await generateText({ model: real[name], prompt: question, temperature: 3,
      maxRetries: 0 }).catch((e) => e);
    assert.match(error.message, /temperature/);
    assert.equal(error.statusCode, 400);
    assert.equal(error.isRetryable, false);
    const { text } = await generateText({ model: script[name],
      prompt: say("there " + name, "[refuse 1]") });
    assert.equal(text, "there " + name);
  });
}

test("deepseek: tokens of the cache are counted", async () => {
  await generateText({ model: real.deepseek, prompt: question });
  const { usage } = await generateText({ model: real.deepseek, prompt: question });
  const cached = usage.cachedInputTokens ?? usage.inputTokenDetails?.cacheReadTokens;
  assert.ok(cached > 0 && cached < usage.inputTokens);
});
