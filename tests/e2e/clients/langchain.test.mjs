// LangChain's models for openai and DeepSeek.
import assert from "node:assert/strict";
import { test } from "node:test";
import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { ChatDeepSeek } from "@langchain/deepseek";
import { ChatOpenAI, OpenAI } from "@langchain/openai";
import { answer, call, calls, cluster, eventually, metric, question, say, scripted, weather }
  from "./common.mjs";

const makers = {
  ChatOpenAI: (base, options) => new ChatOpenAI({ model: "demo", apiKey: "none",
    configuration: { baseURL: `${base}/v1` }, ...options }),
  ChatDeepSeek: (base, options) => new ChatDeepSeek({ model: "demo", apiKey: "none",
    configuration: { baseURL: base }, ...options }),
};
const tools = [{ type: "function",
                 function: { name: "get_weather", description: "w", parameters: weather } }];

for (const [name, make] of Object.entries(makers)) {
  test(`${name}: whole`, async () => {
    const message = await make(cluster).invoke(question);
    assert.equal(message.content, answer);
    assert.equal(message.usage_metadata.output_tokens, 24);
    assert.equal(message.response_metadata.finish_reason, "stop");
  });

  test(`${name}: streamed`, async () => {
    let whole = null;
    for await (const chunk of await make(cluster).stream(question)) {
      whole = whole ? whole.concat(chunk) : chunk;
    }
    assert.equal(whole.content, answer);
    assert.equal(whole.usage_metadata.output_tokens, 24);
  });

  test(`${name}: aborted`, async () => {
    const before = await metric("baton_cancelled_total");
    const abort = new AbortController();
    const model = make(cluster, { maxTokens: 3000, modelKwargs: { ignore_eos: true } });
    await assert.rejects(async () => {
      for await (const chunk of await model.stream(question, { signal: abort.signal })) {
        if (chunk.content) abort.abort();
      }
    });
    await eventually(async () => (await metric("baton_cancelled_total")) > before);
  });

  test(`${name}: log-probabilities`, async () => {
    const model = make(cluster, { logprobs: true, topLogprobs: 2 });
    const message = await model.invoke(question);
    assert.equal(message.response_metadata.logprobs.content.length, 24);
  });

  test(`${name}: tools until the answer`, async () => {
    const model = make(scripted).bindTools(tools);
    const asked = new HumanMessage(say("Let me see." +
      calls(call("get_weather", '{"city":"Paris"}')) + ":then:21 degrees."));
    let first = null;
    for await (const chunk of await model.stream([asked])) {
      first = first ? first.concat(chunk) : chunk;
    }
    assert.equal(first.content, "Let me see.");
    assert.deepEqual(first.tool_calls.map((c) => [c.name, c.args]),
      [["get_weather", { city: "Paris" }]]);
    const whole = await model.invoke([asked]);
    assert.deepEqual(whole.tool_calls[0].args, { city: "Paris" });
    const last = await model.invoke(
      [asked, whole, new ToolMessage({ content: "21", tool_call_id: whole.tool_calls[0].id })]);
    assert.equal(last.content, "21 degrees.");
  });

  for (const method of name === "ChatOpenAI" ? ["jsonSchema", "functionCalling"]
                                             : ["functionCalling"]) {
    test(`${name}: structured output by ${method}`, async () => {
      const model = make(cluster, { maxTokens: 200 }).withStructuredOutput(
        { title: "sum", type: "object", properties: { n: { type: "integer", maximum: 99,
          minimum: 0 }, sure: { type: "boolean" } }, required: ["n", "sure"],
          additionalProperties: false }, { name: "sum", method });
      const { n, sure } = await model.invoke(question);
      assert.ok(Number.isInteger(n) && n >= 0 && n <= 99);
      assert.equal(typeof sure, "boolean");
    });
  }

  test(`${name}: a stream that fails raises the server's sentence`, async () => {
    await assert.rejects(async () => {
      const model = make(scripted, { maxRetries: 0 });
      for await (const c of await model.stream(say("one two three", "[fail 2]"))) assert.ok(c);
    }, /The worker was lost/);
  });

  test(`${name}: a mistake is not tried again, a full cluster is`, async () => {
    const error = await make(cluster, { temperature: 3, maxRetries: 2 }).invoke(question)
      .catch((e) => e);
    assert.match(error.message, /temperature/);
    const message = await make(scripted, { maxRetries: 2 })
      .invoke(say("there " + name, "[refuse 1]"));
    assert.equal(message.content, "there " + name);
  });
}

test("ChatDeepSeek: reasoning", async () => {
  const message = await makers.ChatDeepSeek(scripted).invoke(say("<think>hm</think>so"));
  assert.equal(message.content, "so");
  assert.equal(message.additional_kwargs.reasoning_content, "hm");
});

test("OpenAI: text completions", async () => {
  const model = new OpenAI({ model: "demo", apiKey: "none", maxTokens: 24, temperature: 0,
    configuration: { baseURL: `${cluster}/v1` } });
  assert.equal(await model.invoke(`<｜User｜>${question}<｜Assistant｜>`), answer);
});
