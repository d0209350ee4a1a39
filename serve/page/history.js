// The clips that were made before, newest first, page by page.
import { $, arrange, element } from "./elements.js";
import { titled } from "./jobs.js";
import { address, ask, peek } from "./server.js";
import { spoken, word } from "./words.js";

const PAGE = 24;
const UNDO_SECONDS = 8;

const tiles = new Map(); // by the id of the job
let jobs = [];
let pages = 1;
let newest = ""; // the first page, as it came
let leaving = null; // the job that will be deleted unless that is undone
let show = () => {};

// Clips are fetched when their tile comes into view.
const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting || target.src) continue;
    target.src = target.dataset.src;
    seen.unobserve(target);
  }
}, { rootMargin: "200px" });

// Clips do not start by themselves for users who asked their system for less motion.
export const start = (player) => { if (!matchMedia("(prefers-reduced-motion: reduce)").matches) player.play().catch(() => {}); };

// A clip to choose: its picture, which is fetched when it comes into view unless that is left to others, and its words.
export function tile(job, open, fetches = true) {
  const clip = element("video", { muted: true, playsInline: true, loop: true, preload: "metadata", tabIndex: -1, ariaHidden: "true" });
  const words = element("span");
  const button = element("button", { type: "button" }, clip, words);
  clip.dataset.src = address(job.id, "content");
  if (fetches) seen.observe(clip);
  for (const name of ["mouseenter", "focus"]) button.addEventListener(name, () => start(clip));
  for (const name of ["mouseleave", "blur"]) button.addEventListener(name, () => clip.pause());
  button.addEventListener("click", open);
  return { item: element("li", {}, button), button, words, clip };
}

function draw() {
  const there = jobs.filter((job) => job.id !== leaving?.id);
  for (const job of there) {
    if (!tiles.has(job.id)) tiles.set(job.id, tile(job, () => show(jobs.find((each) => each.id === job.id) ?? job)));
    const { button, words } = tiles.get(job.id);
    words.textContent = titled(job);
    button.title = `${titled(job)} · ${word("seed")} ${job.seed}`;
  }
  for (const id of [...tiles.keys()]) if (!there.some((job) => job.id === id)) tiles.delete(id);
  arrange($("history"), there.map((job) => tiles.get(job.id).item));
  $("history").dataset.empty = word("empty");
}

const page = (after) => `v1/videos?status=completed&limit=${PAGE}${after ? `&after=${encodeURIComponent(after)}` : ""}`;

// Fetch the pages that are shown, if the first one has changed.
export async function look() {
  const first = await peek(page());
  const came = JSON.stringify([first, pages]);
  if (came === newest) return jobs;
  const found = [...first.data];
  let { has_more, last_id } = first;
  for (let number = 1; number < pages && has_more; number++) {
    const next = await peek(page(last_id));
    found.push(...next.data);
    ({ has_more, last_id } = next);
  }
  newest = came;
  jobs = found;
  $("older").hidden = !has_more;
  draw();
  return jobs;
}

// What decides which programs a clip needs: the names of its settings and files, but for those that are mere numbers.
export const kindOf = (settings, given) =>
  [...new Set([...Object.keys(settings), ...given].map((name) => name.replace(/-.*/, "")))]
    .filter((name) => !["num_frames", "temperature", "top_p", "min_p", "motion", "control_kind"].includes(name)).sort().join();

// Kinds whose first clip waits for programs: for those of a whole clip, or for one that reads what is given.
const WHOLE = ["audio", "best_of", "mask", "retake"], PART = ["camera", "control", "keyframes", "last_image", "motion", "references", "video"];
const PART_SHARE = 1 / 6; // of the time for a whole
const TWICE = ["best_of", "storyboard"]; // take twice as long as plain clips: more clips are drawn, or more windows

// Return the seconds of work for a second of a model's clips of a kind, from the newest ones, and the share of a compilation that
// the next one waits for; null if unknown. The first of a kind says nothing of the next: it waited for the compilation.
export function pace(model, kind) {
  const names = kind.split(","), needs = (some) => names.some((name) => some.includes(name));
  const compiles = needs(WHOLE) ? 1 : needs(PART) ? PART_SHARE : 0;
  const own = took(model, kind);
  if (own.length > (compiles ? 1 : 0)) return { seconds: median(own), compiles: 0 };
  const plain = took(model, "");
  if (!plain.length) return null;
  return { seconds: median(plain) * (needs(TWICE) ? 2 : 1), compiles: own.length ? 0 : compiles };
}

function took(model, kind) {
  const of = (job) => job.model === model && job.took && kindOf(job.settings, Object.keys(job.given)) === kind;
  return jobs.filter(of).slice(0, 9).map((job) => job.took / Number(job.seconds));
}

const median = (numbers) => numbers.sort((one, two) => one - two)[(numbers.length - 1) >> 1];

// Delete a clip, unless it is undone in a few seconds. `on.back` is called if it stays, `on.fault` with an error.
export function remove(job, on) {
  finish();
  leaving = { id: job.id, job, on, timer: setTimeout(finish, UNDO_SECONDS * 1000) };
  draw();
  tellUndo();
}

function tellUndo() {
  $("undoing").firstElementChild.hidden = !leaving;
  $("undo-words").textContent = leaving ? word("deleted") : "";
}

function finish() {
  if (!leaving) return;
  const { id, on, timer } = leaving;
  clearTimeout(timer);
  if (document.activeElement === $("undo")) $("history-title").focus({ preventScroll: true });
  jobs = jobs.filter((job) => job.id !== id);
  leaving = null;
  tellUndo();
  ask(address(id), { method: "DELETE", keepalive: true }).then(look).catch(on.fault);
}

$("undo").addEventListener("click", () => {
  if (!leaving) return;
  const { job, on, timer } = leaving;
  clearTimeout(timer);
  leaving = null;
  tellUndo();
  draw();
  on.back(job);
});
$("older").addEventListener("click", async () => {
  const before = jobs.length;
  pages++;
  await look().catch(() => { pages--; });
  tiles.get(jobs[before]?.id)?.button.focus();
});
addEventListener("pagehide", finish);

export function open(hearer) {
  show = hearer;
  spoken(() => { draw(); tellUndo(); });
}
