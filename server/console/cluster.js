// The live view of the cluster, once a second while it is looked at.
import { $, bytes, count, el, svg } from "./dom.js";
import { getJson } from "./api.js";

const PAGES = ["in_use", "filling", "reserved", "cached", "free"];
const INTERVAL_MS = 1000;
const KEPT = 90;
const speeds = [];
let before = null;
let watching = 0;  // counts the times that watching began or ended
let timer = 0;
let tell = () => {};

function figure(name, value, note) {
  return el("div.figure", {}, el("dt", {}, name), el("dd", {}, value), note ? el("small", {}, note) : null);
}

function meter(label, value, max, kind) {
  const fill = el(`i.${kind}`);
  fill.style.width = `${max > 0 ? Math.min(100, (100 * value) / max) : 0}%`;
  const text = max > 0 ? `${value} of ${max}` : `${value}`;
  return el("div.meter", {}, el("div.meter-text", {}, el("span", {}, label), el("b", {}, text)),
            el("div.track", { role: "img", "aria-label": `${label}: ${text}` }, fill));
}

function pagesOf(pages) {
  const strip = el("div.pages", { role: "img", "aria-label":
    `pages: ${PAGES.map((state) => `${pages[state]} ${state.replace("_", " ")}`).join(", ")}` });
  for (const state of PAGES) {
    if (!pages[state]) continue;
    const piece = el(`i.${state}`, { title: `${pages[state]} ${state.replace("_", " ")}` });
    piece.style.flexGrow = String(pages[state]);
    strip.append(piece);
  }
  return el("div.meter", {}, el("div.meter-text", {}, el("span", {}, "Latent cache"),
    el("b", {}, `${pages.total - pages.free} of ${pages.total} pages`)), strip);
}

// What differs from the plainest layout: "tp=2 dp=4 overlap=on".
function layoutOf(text) {
  const plain = ["0", "off", "replicated", "1"];
  const parts = text.split(",").filter((part) => part);
  const told = parts.filter((part) => /^(tp|dp)=/.test(part) || !plain.includes(part.split("=")[1]));
  return told.join("  ") || "one rank";
}

function card(instance) {
  const state = instance.stale ? "silent" : instance.draining ? "draining" : "up";
  const facts = [`mode ${instance.numeric_mode}`, `${instance.page_tokens} tokens a page`];
  if (!instance.conserved) facts.push("pages do not add up");
  return el(`article.instance.${state}`, { "aria-label": `${instance.role} ${instance.instance}, ${state}` },
    el("header", {}, el("h3", {}, instance.instance), el(`span.badge.${state}`, {}, state)),
    el("p.layout", {}, layoutOf(instance.layout)),
    meter("Running", instance.running, instance.running_max, instance.role),
    instance.waiting || instance.queued_tokens
      ? el("p.waiting", {}, `${instance.waiting} waiting, ${count(instance.queued_tokens)} tokens to compute`) : null,
    pagesOf(instance.pages),
    el("p.faint", {}, facts.join("  ·  ")));
}

function spark(values) {
  const width = 600;
  const height = 80;
  const top = Math.max(1, ...values) * 1.15;
  const step = width / (KEPT - 1);
  const at = (value, i) => [width - (values.length - 1 - i) * step, height - 2 - (value / top) * (height - 6)];
  const points = values.map(at).map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img",
                               "aria-label": `tokens a second, now ${count(values.at(-1) || 0)}` });
  if (values.length > 1) {
    const left = at(values[0], 0)[0].toFixed(1);
    picture.append(svg("polygon", { points: `${left},${height} ${points.join(" ")} ${width},${height}` }),
                   svg("polyline", { points: points.join(" ") }));
  }
  $("spark").replaceChildren(picture, el("b", {}, count(values.at(-1) || 0)),
                             el("small", {}, `most ${count(Math.max(0, ...values))} in ${KEPT} s`));
}

function sum(instances, value) {
  return instances.reduce((total, instance) => total + value(instance), 0);
}

// Counters start anew with their process: a rate is never below nothing.
function rate(now, then, seconds) {
  return then === undefined || seconds <= 0 ? 0 : Math.max(0, now - then) / seconds;
}

function draw(view) {
  const at = performance.now();
  const { instances, totals } = view;
  const decodes = instances.filter((instance) => instance.role === "decode");
  const stores = instances.filter((instance) => instance.role === "kvstore");
  const seconds = before ? (at - before.at) / 1000 : 0;
  const rates = {};
  for (const [name, value] of Object.entries(totals)) rates[name] = rate(value, before?.totals[name], seconds);
  if (before) speeds.push(rates.generation_tokens);
  if (speeds.length > KEPT) speeds.shift();
  before = { at, totals };

  const pages = sum(decodes, (i) => i.pages.total);
  const taken = sum(decodes, (i) => i.pages.total - i.pages.free - i.pages.cached);
  const drafted = totals.drafted_tokens;
  $("figures").replaceChildren(
    figure("Running", count(sum(decodes, (i) => i.running)), `${view.requests} requests here`),
    figure("Waiting", count(sum(decodes, (i) => i.waiting)), `${count(sum(instances, (i) => i.queued_tokens))} tokens queued`),
    figure("Tokens/s", count(rates.generation_tokens || 0), `${count(rates.prefill_tokens || 0)} prefill`),
    figure("Cache in use", pages ? `${Math.round((100 * taken) / pages)} %` : "-", `${count(pages)} pages`),
    figure("Hand-offs", count(totals.handoffs), `${totals.frames_again} blocks sent again`),
    figure("Placed again", count(totals.migrations), drafted
      ? `${Math.round((100 * totals.accepted_tokens) / drafted)} % of drafts kept` : "after a loss"),
    ...stores.map((store) => figure("Kvstore", count(store.pages.cached),
      store.stale ? "pages, silent now" : "pages for all prefill instances")));
  spark(speeds);
  $("handoff-rate").textContent = count(rates.frames || 0);
  $("handoff-bytes").textContent = `${bytes(rates.frame_bytes || 0)}/s`;
  for (const role of ["prefill", "decode"]) {
    const cards = instances.filter((instance) => instance.role === role).map(card);
    $(role).replaceChildren(...(cards.length ? cards : [el("p.faint", {}, "none is alive")]));
  }
}

async function look(turn) {
  try {
    if (!document.hidden) draw(await getJson("/debug/cluster"));
  } catch (error) {
    if (turn === watching) tell(error);
  }
  if (turn === watching) timer = setTimeout(() => look(turn), INTERVAL_MS);
}

export function watchCluster(on, onFailure) {
  tell = onFailure;
  clearTimeout(timer);
  watching += 1;
  if (on) look(watching);
}
