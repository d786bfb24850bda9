// What the page asks of the server: JSON, streams of server-sent events, the key of this tab.
const KEY = "baton-key";

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY) || "",
  set: (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

function headers(more) {
  const all = { ...more };
  if (key.get()) all.Authorization = `Bearer ${key.get()}`;
  return all;
}

async function failure(response) {
  let message = `The server answered ${response.status}.`;
  try {
    message = (await response.json()).error.message || message;
  } catch {
    // Not ours: the status has to do.
  }
  return new ApiError(response.status, message);
}

export async function getJson(path, signal) {
  const response = await fetch(path, { headers: headers(), signal, cache: "no-store" });
  if (!response.ok) throw await failure(response);
  return response.json();
}

// Readiness needs no key, and "not ready" is an answer too.
export async function readiness() {
  const response = await fetch("/readyz", { cache: "no-store" });
  if (response.ok) return { ready: true, reason: "ready" };
  const body = await response.json().catch(() => ({}));
  return { ready: false, reason: body.error?.message || "not ready" };
}

// Each event of a streamed answer, parsed. An error event throws; so does an end without [DONE].
export async function* streamChat(body, signal) {
  const response = await fetch("/v1/chat/completions", {
    method: "POST",
    headers: headers({ "Content-Type": "application/json", "X-Baton-Explain": "1" }),
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
    signal,
  });
  if (!response.ok) throw await failure(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new ApiError(0, "The connection was lost before the end of the answer.");
    held += value;
    const events = held.split("\n\n");
    held = events.pop();
    for (const event of events) {
      if (!event.startsWith("data: ")) continue;
      const data = event.slice(6);
      if (data === "[DONE]") return;
      const parsed = JSON.parse(data);
      if (parsed.error) throw new ApiError(0, parsed.error.message);
      yield parsed;
    }
  }
}
