// One request's time as bars: the whole of it, and the part before the first token, enlarged.
import { el, milliseconds } from "./dom.js";

const NAMES = {
  prepared: "parsed, rendered, tokenized",
  lost: "attempts that were given up",
  placing: "placed by the scheduler",
  queued: "queued for prefill",
  prefilled: "prefill",
  exposed: "hand-off not hidden behind prefill",
  waited: "waited for the batch",
  first_step: "first step",
  travelled: "on the way",
  decoded: "decode, first token to last",
};

function bar(title, parts, whole) {
  const strip = el("div.bar", { role: "img", "aria-label": describe(title, parts) });
  for (const part of parts) {
    if (part.ms <= 0) continue;
    const piece = el(`i.part-${part.name}`, { title: `${NAMES[part.name]}: ${milliseconds(part.ms)}` });
    piece.style.flexGrow = String(part.ms / whole);
    strip.append(piece);
  }
  return el("div.strip", {}, el("div.strip-title", {}, el("span", {}, title), el("b", {}, milliseconds(whole))),
            strip);
}

function describe(title, parts) {
  const said = parts.filter((part) => part.ms > 0).map((part) => `${NAMES[part.name]} ${milliseconds(part.ms)}`);
  return `${title}: ${said.join(", ")}`;
}

// `explain`: as the server says it. `speakingMs`: from the first token to the last, seen here.
export function drawTimeline(into, explain, speakingMs) {
  const before = explain.parts.filter((part) => part.ms > 0);
  const decoded = { name: "decoded", ms: Math.max(0, speakingMs) };
  const whole = explain.first_token_ms + decoded.ms;
  const list = el("dl.parts");
  for (const part of [...before, decoded]) {
    if (part.ms <= 0) continue;
    list.append(el("div", {}, el("dt", {}, el(`i.part-${part.name}`), NAMES[part.name] || part.name),
                   el("dd", {}, milliseconds(part.ms))));
  }
  const route = explain.prefill ? `${explain.prefill} → ${explain.decode}` : explain.decode;
  into.replaceChildren(
    bar("Whole request", [...before, decoded], whole || 1),
    bar("To the first token", before, explain.first_token_ms || 1),
    list,
    el("p.route", {}, el("b", {}, route), explain.attempts > 1 ? `, attempt ${explain.attempts}` : "",
       el("br"), explain.placed_because));
}
