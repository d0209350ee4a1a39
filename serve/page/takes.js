// Takes: clips of the same words with other seeds, side by side. The one that is chosen stands on the stage.
import { $, arrange } from "./elements.js";
import { start, tile } from "./history.js";
import { ask, address } from "./server.js";
import { spoken, word } from "./words.js";

let takes = []; // {job, item, button, words, clip}
let choose = () => {};

// Show jobs that were just asked for; fewer than two are no takes.
export function begin(jobs) {
  takes = jobs.length < 2 ? [] : jobs.map((job) => ({ job, ...tile(job, () => choose(takes.find((each) => each.job.id === job.id).job), false) }));
  draw();
}

// Look which of them are ready, by the jobs that are under way.
export async function look(under_way) {
  for (const take of takes) {
    if (["completed", "failed"].includes(take.job.status) || under_way.some(({ id }) => id === take.job.id)) continue;
    take.job = await ask(address(take.job.id));
    if (take.job.status !== "completed") continue;
    take.clip.src = address(take.job.id, "content");
    start(take.clip);
  }
  draw();
}

// Mark the take that stands on the stage; another clip there closes them.
export function mark(id) {
  if (!takes.some(({ job }) => job.id === id)) takes = [];
  for (const { job, button } of takes) button.ariaPressed = String(job.id === id);
  draw();
}

function draw() {
  $("takes").hidden = !takes.length;
  for (const { job, words } of takes) words.textContent = `${word("seed")} ${job.seed}${job.status === "completed" ? "" : ` · ${word(job.status)}`}`;
  arrange($("takes"), takes.map(({ item }) => item));
}

export function open(chosen) {
  choose = chosen;
  spoken(draw);
}
