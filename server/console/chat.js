// The conversation: messages sent, answers streamed, thinking folded, each with its figures.
import { $, el, milliseconds } from "./dom.js";
import { streamChat } from "./api.js";
import { drawTimeline } from "./timeline.js";

const STARTERS = ["What is 37 + 48?", "Write a haiku about a relay race.",
                  "Explain a latent KV cache in three sentences."];
let history = [];
// A slider shows the model's own default, which is not sent, until somebody moves it.
const SLIDERS = ["temperature", "top_p", "min_p"];
const moved = new Set();
let defaults = {};
let running = null;  // the AbortController of the answer under way
let model = "";
let tell = () => {};

// Fenced code becomes <pre>; everything else stays the text that it is.
function renderText(into, text) {
  into.replaceChildren();
  text.split(/^```/m).forEach((piece, i) => {
    if (i % 2 === 0) {
      const plain = piece.replace(/^\n+|\n+$/g, "");
      if (plain) into.append(el("p", {}, plain));
      return;
    }
    const line = piece.indexOf("\n");
    into.append(el("pre", { tabindex: "0" }, el("code", {}, line < 0 ? "" : piece.slice(line + 1).replace(/\n$/, ""))));
  });
}

function atBottom() {
  const log = $("log");
  return log.scrollHeight - log.scrollTop - log.clientHeight < 80;
}

function follow(was) {
  if (was) $("log").scrollTop = $("log").scrollHeight;
}

function addUser(text) {
  $("empty").hidden = true;
  $("log").append(el("li.user", {}, el("p", {}, text)));
  $("log").scrollTop = $("log").scrollHeight;
}

class AnswerView {
  constructor() {
    this.label = el("summary", {}, "Thinking");
    this.thought = el("div.thought");
    this.thinking = el("details.thinking", { hidden: "" }, this.label, this.thought);
    this.content = el("div.content");
    this.figures = el("p.figures-line", {}, "waiting for the first token");
    this.item = el("li.assistant.live", {}, this.thinking, this.content, this.figures);
    $("log").append(this.item);
    this.text = this.reasoning = "";
    this.tokens = 0;
    this.sent = performance.now();
    this.first = this.last = this.contentAt = 0;
    this.frame = 0;
  }

  take(event) {
    const choice = event.choices[0];
    if (event.usage) this.usage = event.usage;
    if (event.explain) this.explain = event.explain;
    if (!choice) return;
    const now = performance.now();
    if (!this.first) this.first = now;
    const { content, reasoning_content: reasoning, tool_calls: calls } = choice.delta;
    if (content || reasoning || calls) {
      this.tokens += 1;
      this.last = now;
    }
    if (reasoning) this.reasoning += reasoning;
    if (content) {
      this.contentAt ||= now;
      this.text += content;
    }
    for (const call of calls || []) {
      if (call.function.name) this.text += `\n${call.function.name}: `;
      this.text += call.function.arguments || "";
    }
    if (choice.finish_reason) this.finish = choice.finish_reason;
    this.frame ||= requestAnimationFrame(() => this.paint());
  }

  paint() {
    this.frame = 0;
    const bottom = atBottom();
    if (this.reasoning) {
      this.thinking.hidden = false;
      this.thought.textContent = this.reasoning;
      const until = this.contentAt || this.last;
      this.label.textContent = this.contentAt || this.finish
        ? `Thought for ${milliseconds(until - this.first)}` : "Thinking";
    }
    renderText(this.content, this.text);
    this.figures.textContent = this.summary();
    follow(bottom);
  }

  rate() {
    const tokens = this.usage?.completion_tokens ?? this.tokens;
    const seconds = (this.last - this.first) / 1000;
    return tokens > 1 && seconds > 0 ? (tokens - 1) / seconds : 0;
  }

  summary() {
    if (!this.first) return "waiting for the first token";
    const said = [`first token ${milliseconds(this.first - this.sent)}`];
    if (this.rate()) said.push(`${this.rate().toFixed(1)} tokens/s`);
    said.push(`${this.usage?.completion_tokens ?? this.tokens} tokens`);
    const cached = this.usage?.prompt_tokens_details?.cached_tokens;
    if (cached) said.push(`${cached} of ${this.usage.prompt_tokens} prompt tokens cached`);
    if (this.finish === "length") said.push("cut at the limit");
    if (this.stopped) said.push("stopped");
    return said.join("  ·  ");
  }

  end() {
    if (this.frame) cancelAnimationFrame(this.frame);
    this.paint();
    this.item.classList.remove("live");
    if (!this.explain) return;
    const show = () => drawTimeline($("timeline"), this.explain, this.last - this.first);
    show();
    const own = el("div.timeline");
    const details = el("details.more", {}, el("summary", {}, "Timeline"), own);
    details.addEventListener("toggle", () => {
      if (details.open) drawTimeline(own, this.explain, this.last - this.first);
    });
    this.item.append(details);
  }
}

function requestBody() {
  const form = new FormData($("knobs"));
  const body = { model, messages: [...history] };
  const system = form.get("system").trim();
  if (system) body.messages.unshift({ role: "system", content: system });
  for (const name of ["temperature", "top_p", "min_p", "top_k", "max_tokens", "seed"]) {
    const left = SLIDERS.includes(name) && !moved.has(name);  // to the model's own default
    if (!left && form.get(name) !== "" && form.get(name) !== null) {
      body[name] = Number(form.get(name));
    }
  }
  body.chat_template_kwargs = { thinking: form.get("thinking") !== null };
  return body;
}

function setRunning(controller) {
  running = controller;
  const button = $("send");
  button.textContent = controller ? "Stop" : "Send";
  button.classList.toggle("stop", Boolean(controller));
  $("log").setAttribute("aria-busy", String(Boolean(controller)));
}

export function stop() {
  running?.abort();
}

async function ask(text) {
  const conversation = history;  // a new one may begin while the answer comes
  conversation.push({ role: "user", content: text });
  addUser(text);
  const view = new AnswerView();
  $("log").scrollTop = $("log").scrollHeight;
  const controller = new AbortController();
  setRunning(controller);
  let failed = null;
  try {
    for await (const event of streamChat(requestBody(), controller.signal)) view.take(event);
  } catch (error) {
    if (controller.signal.aborted) view.stopped = true;
    else failed = error;
  }
  if (running === controller) setRunning(null);
  if (conversation !== history) return;
  view.end();
  if (view.text || view.stopped) {
    conversation.push({ role: "assistant", content: view.text });
  } else if (failed) {
    conversation.pop();  // it was never answered: asking again must not say it twice
  }
  if (failed) {
    view.item.append(el("p.error", {}, failed.message));
    if (!view.first) view.figures.remove();
    tell(failed);
  }
}

function fit(area) {
  area.style.height = "auto";
  area.style.height = `${Math.min(area.scrollHeight, 200)}px`;
}

function submit() {
  const prompt = $("prompt");
  if (running) return stop();
  const text = prompt.value.trim();
  if (!text) return undefined;
  prompt.value = "";
  fit(prompt);
  return ask(text);
}

function clear() {
  stop();
  history = [];
  $("log").replaceChildren();
  $("empty").hidden = false;
  $("prompt").focus();
}

function showKnobs() {
  for (const name of SLIDERS) {
    const slider = $(name);
    const own = defaults[name];
    if (!moved.has(name) && own !== undefined) slider.value = own;
    document.querySelector(`#knobs output[for=${name}]`).textContent =
      moved.has(name) ? slider.value : own === undefined ? "default" : `${own} (default)`;
  }
}

// `sampling`: what the model does where a request says nothing.
export function setModel(name, sampling) {
  model = name;
  defaults = sampling || {};
  showKnobs();
}

// `onFailure` hears of every answer that failed.
export function startChat(onFailure) {
  tell = onFailure;
  for (const text of STARTERS) {
    $("starters").append(el("button.quiet", { type: "button", onclick: () => running || ask(text) }, text));
  }
  $("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  $("prompt").addEventListener("input", () => fit($("prompt")));
  $("prompt").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (!running) submit();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && running) stop();
  });
  $("knobs").addEventListener("input", (event) => {
    if (SLIDERS.includes(event.target.name)) moved.add(event.target.name);
    showKnobs();
  });
  $("knobs").addEventListener("reset", () => {
    moved.clear();
    setTimeout(showKnobs);
  });
  $("knobs").addEventListener("submit", (event) => event.preventDefault());
  $("clear").addEventListener("click", clear);
  $("settings").open = matchMedia("(min-width: 60rem)").matches;
  showKnobs();
}
