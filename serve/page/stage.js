// The clip on the stage: its progress, how its words were read, what can be done with it, and the clip to compare with.
import { Download } from "./download.js";
import { $, element } from "./elements.js";
import { start } from "./history.js";
import { standing, titled } from "./jobs.js";
import { said } from "./said.js";
import { address, ask, send } from "./server.js";
import * as takes from "./takes.js";
import { spoken, word } from "./words.js";

let shown = null; // the job on the stage
let beside = null; // the job that it is compared with: the same words with another seed
let events = null;
let filmed = null; // the id of the job whose film is on the stage
let heard = { warnings: [] }; // of live words: how they are read, with warnings
let on = {}; // `ended` is called with a job that has ended, `fault` with an error; `retakes` tells whether a part can be made anew

const download = new Download($("download"));

export const video = () => $("video");
export const current = () => shown;
export const compared = () => beside;
export const use = (hearers) => { on = hearers; };

const hasEnded = (job) => ["completed", "failed"].includes(job.status);

export function show(job, compared = null, { focus = false } = {}) {
  close();
  shown = job;
  beside = compared;
  takes.mark(job.id);
  heard = { warnings: [] };
  filmed = null;
  $("stage").hidden = false;
  $("preview").hidden = video().hidden = $("after").hidden = true;
  $("preview").removeAttribute("src");
  video().removeAttribute("src");
  $("other").hidden = !beside;
  if (beside) $("other").querySelector("video").src = address(beside.id, "content");
  draw();
  if (!hasEnded(job)) follow();
  if (focus) {
    $("stage").focus({ preventScroll: true });
    $("stage").scrollIntoView({ block: "nearest" });
  }
}

// Listen to the events of the job; its state is fetched again after the server was lost.
function follow() {
  events?.close();
  if (!shown || hasEnded(shown)) return;
  events = new EventSource(address(shown.id, "events"));
  events.addEventListener("status", (event) => {
    shown = JSON.parse(event.data);
    draw();
    if (!hasEnded(shown)) return;
    events.close();
    on.ended(shown);
  });
  events.addEventListener("preview", (event) => {
    $("preview").src = JSON.parse(event.data).image;
    $("preview").hidden = !video().hidden;
  });
  events.addEventListener("deleted", () => {
    events.close();
    $("progress").hidden = $("stop").hidden = true;
    $("status").textContent = word("deleted");
  });
}

// Stop listening, and leave the stage as it is.
export function close() {
  events?.close();
  events = null;
}

export function clear() {
  close();
  shown = beside = filmed = null;
  $("stage").hidden = true;
}

// Show how the words of a live clip are read.
export function hear(words) {
  heard = words;
  doubts(heard);
}

function draw() {
  if (document.body.classList.contains("live") || !shown) return;
  if (hasEnded(shown) && document.activeElement === $("stop")) $("make").focus({ preventScroll: true });
  $("progress").hidden = $("stop").hidden = hasEnded(shown);
  $("progress").value = shown.progress;
  $("status").textContent = [standing(shown), titled(shown)].join(" · ");
  if (shown.status === "failed" && shown.error.code !== "cancelled") $("status").append(`: ${said(shown.error.message)}`);
  $("status").classList.toggle("fault", shown.status === "failed" && shown.error.code !== "cancelled");
  doubts(shown);
  if (shown.status === "completed") film();
  caption($("one"), shown.status === "completed" ? shown : null);
  caption($("other"), beside);
}

function film() {
  if (filmed === shown.id) return;
  filmed = shown.id;
  $("preview").hidden = true;
  video().hidden = $("after").hidden = false;
  video().loop = true;
  video().ariaLabel = titled(shown);
  video().src = address(shown.id, "content");
  start(video());
  if (beside) start($("other").querySelector("video"));
  download.offer(shown);
  const played = Boolean(shown.settings.keys);
  $("play-on").hidden = !played;
  $("share").href = address(shown.id, "page");
  for (const name of ["again", "continue", "as-first"]) $(name).hidden = played;
  $("retake-this").hidden = !on.retakes(shown);
}

// The words that were read, if they differ from those written, and warnings.
function doubts({ prompt = "", settings, read_as, warnings }) {
  const words = settings?.storyboard?.[0].prompt ?? prompt;
  const other = read_as && read_as.trim().toLowerCase() !== words.trim().toLowerCase();
  const read = other ? [element("li", {}, word("read_as", { words: read_as }))] : [];
  const doubted = warnings.map((each) => element("li", { className: "doubt" }, said(each)));
  $("doubts").replaceChildren(...doubted, ...read);
}

// Show the seed and the thumbs under a clip.
function caption(figure, job) {
  figure.querySelector("figcaption").hidden = !job;
  figure.querySelector("figcaption span").textContent = job ? `${word("seed")} ${job.seed}` : "";
  figure.querySelector(".up").ariaPressed = String(job?.rating === 1);
  figure.querySelector(".down").ariaPressed = String(job?.rating === -1);
}

async function rate(figure, job, over, rating) {
  try {
    await send(address(job.id, "feedback"), { rating, ...(over ? { over: over.id } : {}) });
    job.rating = rating;
    caption(figure, job);
  } catch (error) {
    on.fault(error);
  }
}

// The picture that the player shows, as a file.
export function picture() {
  const canvas = element("canvas", { width: video().videoWidth, height: video().videoHeight });
  canvas.getContext("2d").drawImage(video(), 0, 0);
  return new Promise((then) => canvas.toBlob((blob) => then(new File([blob], "picture.png", { type: "image/png" }))));
}

// Fetch the job again after the server was lost.
export async function again() {
  if (!shown || hasEnded(shown) || document.body.classList.contains("live")) return;
  try {
    shown = await ask(address(shown.id));
    draw();
    if (hasEnded(shown)) on.ended(shown);
    else follow();
  } catch (error) {
    if (error.code === "not_found") clear();
  }
}

for (const [name, rating] of [["up", 1], ["down", -1]]) {
  $("one").querySelector(`.${name}`).addEventListener("click", () => rate($("one"), shown, beside, rating));
  $("other").querySelector(`.${name}`).addEventListener("click", () => rate($("other"), beside, shown, rating));
}
spoken(() => { draw(); if (heard.warnings.length || heard.read_as) doubts(heard); });
