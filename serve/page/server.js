// What the page asks of the server.
import { word } from "./words.js";

export async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error(word("lost"));
  }
  if (answer.status === 401) {
    const key = prompt(word("key"));
    if (key) {
      document.cookie = `reelm-key=${encodeURIComponent(key)}; path=${new URL(".", document.baseURI).pathname}; SameSite=Strict`;
      return ask(path, options);
    }
  }
  if (!answer.ok) throw new Error((await answer.json().catch(() => null))?.error?.message ?? answer.statusText);
  return answer.json();
}

export const address = (id, what) => `v1/videos/${encodeURIComponent(id)}/${what}`;

// Wait until the server would begin a job at once.
export async function ready() {
  while (!(await fetch("readyz").catch(() => null))?.ok) await new Promise((then) => setTimeout(then, 500));
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
