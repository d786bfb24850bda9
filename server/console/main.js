// The page: its tabs, the key, whether the server is ready, what went wrong.
import { $ } from "./dom.js";
import { ApiError, getJson, key, readiness } from "./api.js";
import { setModel, startChat } from "./chat.js";
import { watchCluster } from "./cluster.js";

const VIEWS = ["chat", "cluster"];
const READY_MS = 3000;
let current = "";
let noticeTimer = 0;

function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = false;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => ($("notice").hidden = true), 6000);
}

function askForKey() {
  if (!$("key-dialog").open) {
    $("key-input").value = key.get();
    $("key-dialog").showModal();
  }
}

function failed(error) {
  if (error instanceof ApiError && error.status === 401) return askForKey();
  return notice(error instanceof ApiError ? error.message : "The server can't be reached.");
}

function show(view) {
  current = VIEWS.includes(view) ? view : VIEWS[0];
  for (const name of VIEWS) {
    const selected = name === current;
    $(`view-${name}`).hidden = !selected;
    $(`tab-${name}`).setAttribute("aria-selected", String(selected));
    $(`tab-${name}`).tabIndex = selected ? 0 : -1;
  }
  if (location.hash.slice(1) !== current) history.replaceState(null, "", `#${current}`);
  watchCluster(current === "cluster", failed);
}

async function learnModel() {
  try {
    const { data } = await getJson("/v1/models");
    $("model").textContent = data[0].id;
    setModel(data[0].id, data[0].default_sampling);
  } catch (error) {
    failed(error);
  }
}

async function watchReadiness() {
  try {
    const now = await readiness();
    $("ready").textContent = now.ready ? "ready" : "not ready";
    $("ready").title = now.reason;
    $("ready").className = `ready ${now.ready ? "yes" : "no"}`;
  } catch {
    $("ready").textContent = "away";
    $("ready").className = "ready no";
  }
  setTimeout(watchReadiness, READY_MS);
}

function startTabs() {
  for (const name of VIEWS) $(`tab-${name}`).addEventListener("click", () => show(name));
  document.querySelector("[role=tablist]").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    show(VIEWS[(VIEWS.indexOf(current) + step + VIEWS.length) % VIEWS.length]);
    $(`tab-${current}`).focus();
  });
  addEventListener("hashchange", () => VIEWS.includes(location.hash.slice(1)) && show(location.hash.slice(1)));
}

function startKey() {
  $("key").addEventListener("click", askForKey);
  $("key-dialog").addEventListener("close", () => {
    if ($("key-dialog").returnValue !== "ok") return;
    key.set($("key-input").value.trim());
    learnModel();
    show(current);
  });
}

startChat(failed);
startTabs();
startKey();
show(location.hash.slice(1));
learnModel();
watchReadiness();
$("prompt").focus({ preventScroll: true });
