// Requests of the page to the server, and whether the server answers.
import { word } from "./words.js";

const PATIENCE = 2500; // milliseconds for an answer that is always quick
const hearers = [];
let lost = false;

// Call a function with true when the server is lost, and with false when it is there again.
export const onConnection = (hearer) => hearers.push(hearer);
export const isLost = () => lost;

function notice(gone) {
  if (gone === lost) return;
  lost = gone;
  for (const hearer of hearers) hearer(lost);
}

async function fetched(path, options) {
  try {
    const answer = await fetch(path, options);
    notice([502, 503, 504].includes(answer.status) && !answer.headers.get("content-type")?.includes("json")); // the answer of a proxy
    return answer;
  } catch {
    notice(true);
    throw new Error(word("lost"));
  }
}

export async function ask(path, options) {
  const answer = await fetched(path, options);
  if (answer.status === 401) {
    const key = prompt(word("key"));
    if (key) {
      // The server keeps it in a cookie that no script reads; a wrong key is asked for again.
      await fetched("v1/session", { method: "POST", headers: { Authorization: `Bearer ${key}` } });
      return ask(path, options);
    }
  }
  if (!answer.ok) {
    const { error } = (await answer.json().catch(() => null)) ?? {};
    throw Object.assign(new Error(error?.message ?? answer.statusText), { code: error?.code });
  }
  return answer.json();
}

// A repeated request: a slow answer counts as none, and the user is not asked for a key.
export async function peek(path) {
  const answer = await fetched(path, { signal: AbortSignal.timeout(PATIENCE) });
  if (!answer.ok) throw new Error(answer.statusText);
  return answer.json();
}

export const send = (path, body) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

export const address = (id, what = "") => `v1/videos/${encodeURIComponent(id)}${what && `/${what}`}`;

export const socket = (model) =>
  new WebSocket(new URL(`v1/live?model=${encodeURIComponent(model)}`, document.baseURI).href.replace("http", "ws"));

// Return a file of the server, such as a clip, as one that a form can send.
export async function file(path, name, type) {
  const answer = await fetched(path);
  if (!answer.ok) throw new Error(answer.statusText);
  return new File([await answer.blob()], name, { type: type ?? answer.headers.get("content-type") ?? "" });
}

// Return whether the server is warm, and how long a clip waits for programs of its own; null if it does not answer.
export const health = () => peek("healthz").catch(() => null);

// Wait until the server would begin a job at once.
export async function ready() {
  while (!(await health())?.warm) await new Promise((then) => setTimeout(then, 500));
}

// Wait for the clip of a job.
export const made = (job) => new Promise((then, otherwise) => {
  const news = new EventSource(address(job.id, "events"));
  news.addEventListener("status", (event) => {
    const now = JSON.parse(event.data);
    if (!["completed", "failed"].includes(now.status)) return;
    news.close();
    if (now.status === "completed") then(now);
    else otherwise(new Error(now.error?.message));
  });
});
