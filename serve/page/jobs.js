// The jobs that wait or run, of all tabs and all that share the server, with place, progress and Stop.
import { $, arrange, element } from "./elements.js";
import { address, ask, peek } from "./server.js";
import { spoken, word } from "./words.js";

const rows = new Map(); // by the id of the job
let jobs = [];

// Return the status of a job, in a few words.
export function standing(job) {
  if (job.status === "queued" && job.place) return word("place", { n: job.place });
  return word(job.error?.code === "cancelled" ? "stopped" : job.status);
}

// Return the words of a clip, those of all its shots if it has several, or how far one walked in a world.
export const titled = ({ model, prompt, settings }) =>
  [prompt, ...(settings.storyboard ?? []).map((shot) => shot.prompt)].map((each) => each.trim()).filter(Boolean).join(" / ")
  || (settings.keys ? word("walk", { model, n: settings.keys.length }) : word("no_words"));

export const cancel = (job) => ask(address(job.id, "cancel"), { method: "POST" });

function row(job, on) {
  const title = element("button", { type: "button", className: "title" });
  const about = element("span", { className: "quiet" });
  const bar = element("progress", { max: 100 });
  const stop = element("button", { type: "button" });
  title.addEventListener("click", () => on.show(job.id));
  stop.addEventListener("click", async () => {
    await cancel(job).catch(on.fault);
    look(on);
  });
  return { item: element("li", {}, title, about, bar, stop), title, about, bar, stop };
}

function draw(on) {
  for (const job of jobs) {
    if (!rows.has(job.id)) rows.set(job.id, row(job, on));
    const { title, about, bar, stop } = rows.get(job.id);
    title.textContent = titled(job);
    about.textContent = `${standing(job)} · ${job.model} · ${word("seed")} ${job.seed}`;
    bar.value = job.progress;
    bar.ariaLabel = `${word("progress")}: ${titled(job)}`;
    stop.textContent = word("stop");
    stop.ariaLabel = word("stop_one", { words: titled(job) });
  }
  const items = jobs.map((job) => rows.get(job.id).item), focused = document.activeElement;
  for (const id of [...rows.keys()]) if (!jobs.some((job) => job.id === id)) rows.delete(id);
  arrange($("jobs"), items);
  $("under-way").hidden = !jobs.length;
  if (focused && !focused.isConnected) $("history-title").focus({ preventScroll: true }); // the row that had the focus is gone
}

// Fetch the jobs. `on.ended` is called with the ids of those that no longer wait or run, `on.changed` when others do.
export async function look(on) {
  const { data } = await peek("v1/videos?status=queued,in_progress&order=asc&limit=100");
  const before = jobs.map((job) => job.id), now = data.map((job) => job.id);
  jobs = data;
  draw(on);
  const ended = before.filter((id) => !now.includes(id));
  if (ended.length) on.ended(ended);
  return jobs;
}

export const watch = (on) => spoken(() => draw(on));
