// A world on the stage: its keys, the goals that its pictures show to be reached, recordings, and a link that replays it.
import * as asked from "./ask.js";
import { Download } from "./download.js";
import { $, element } from "./elements.js";
import { keysOf, linkTo } from "./link.js";
import { Pad, inWords } from "./pad.js";
import { ready } from "./server.js";
import { has, spoken, word } from "./words.js";
import { World } from "./world.js";

const SEARCH = 8000; // milliseconds for a start with empty hands, which a model may draw rarely

let world = null; // the newest one, also when it has ended
let noted = () => ""; // returns what the line under the keys says
let pressed = () => "";
let on = {}; // `tell` shows an error, or nothing; `recorded` is called when a clip was added; `changed` when it begins or ends
const reached = new Set();
const download = new Download($("recording"));

export const isWorld = () => document.body.classList.contains("world") && document.body.classList.contains("live");
export const plays = () => Boolean(world) && !world.ended;
export const use = (hearers) => { on = hearers; };

const pad = new Pad($("arrows"), $("others"), {
  press: (key) => { on.tell(); world?.press(key); press(() => inWords(key)); },
  release: (key) => world?.release(key),
  unknown: (key) => press(() => `${word("unknown")} ${key}`),
}, () => isWorld() && plays());

function press(said) {
  pressed = said;
  $("pressed").textContent = pressed();
}

function note(said) {
  noted = said;
  $("noted").textContent = noted();
}

// Play from a seed, with keys that nobody has to press; without a seed, from a start with empty hands.
export async function enter({ seed = null, replay = [] } = {}) {
  on.tell();
  $("recording").hidden = true;
  $("screen").focus({ preventScroll: true });
  note(() => word("warming"));
  await ready();
  if (!isWorld()) return; // another view was chosen meanwhile
  if (!plays()) world = new World(asked.model().id, $("screen"), hearers());
  note(() => word(seed === null ? "searching" : replay.length ? "replaying" : "steered", { n: replay.length }));
  world.begin(seed ?? asked.chooseSeed(), replay, seed === null ? SEARCH : 0);
  on.changed();
}

const hearers = () => ({
  fault: (error) => on.tell(error),
  end: (one) => { if (one === world && !one.left) end({ lost: true }); },
  begun: ({ empty_handed }) => {
    reached.clear();
    drawGoals();
    count();
    if (world.replay.length) return;
    note(() => word(empty_handed === false ? "laden" : "steered"));
  },
  step: ({ keys, reached: goals = [] }) => {
    count();
    if (keys.length) press(() => keys.map(inWords).join(", "));
    if (goals.length) {
      note(() => `✓ ${goals.map(goalIn).join(", ")}`);
      for (const each of goals) reached.add(each);
      drawGoals();
    }
    if (world.replay.length && world.keys.length === world.replay.length) note(() => word("replayed"));
  },
  recorded: (job) => {
    download.offer(job);
    $("recording").hidden = false;
    note(() => word("recorded", { n: job.seconds }));
    on.recorded();
  },
});

function count() {
  const begun = Boolean(world && !world.hidden), { recording } = world ?? {};
  $("counter").textContent = begun ? `${word("frame")} ${world.keys.length} · ${word("seed")} ${world.seed}` : "";
  $("record").disabled = !plays() || !begun;
  $("link").disabled = !begun;
  $("record").ariaPressed = String(Boolean(recording));
  $("record").textContent = recording ? word("stop_recording") : word("record");
}

// The same button begins and ends a recording; the keyboard stays with the world.
$("record").addEventListener("click", () => {
  world.record();
  note(() => word(world.recording ? "recording" : "saving"));
  count();
  $("screen").focus({ preventScroll: true });
});
$("anew").addEventListener("click", () => enter());
$("link").addEventListener("click", async () => {
  history.replaceState(null, "", linkTo(world));
  const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
  note(() => word(copied ? "copied" : "addressed"));
  $("screen").focus({ preventScroll: true });
});

const goalIn = (name) => (has(`goal ${name}`) ? word(`goal ${name}`) : name.replaceAll("_", " "));

function drawGoals() {
  const names = world?.hello?.goals ?? [];
  $("goals").hidden = !names.length;
  $("reached").textContent = `${reached.size} / ${names.length}`;
  $("goal-list").replaceChildren(...names.map((name) => element("li", { className: reached.has(name) ? "reached" : "" },
    element("span", { "aria-hidden": "true" }, reached.has(name) ? "✓" : "○"),
    element("span", {}, goalIn(name), element("span", { className: "hidden" }, reached.has(name) ? `, ${word("goal_reached")}` : "")),
    element("span", { className: "quiet" }, has(`needs ${name}`) ? word(`needs ${name}`) : ""))));
}

export function end({ lost = false } = {}) {
  if (!world) return;
  world.leave();
  world.lost = lost;
  pad.releaseAll();
  note(() => word("ended"));
  count();
  on.changed();
}

// Go on after the server was lost: what was played is replayed.
export function resume() {
  if (isWorld() && world?.lost && !world.hidden) enter({ seed: world.seed, replay: world.keys });
}

// Show the keys of the chosen model.
export function meet() {
  pad.use(isWorld() ? asked.model().keys : []);
  world = null;
  reached.clear();
  $("recording").hidden = true;
  note(() => "");
  press(() => "");
  count();
  drawGoals();
}

// Return the world that an address names: its model, seed and keys; null if it names none.
export function linked() {
  const said = new URLSearchParams(location.hash.slice(1));
  return said.has("world") ? { model: said.get("world"), seed: Number(said.get("seed")) || 0, replay: keysOf(said.get("keys") ?? "") } : null;
}

spoken(() => {
  pad.speak();
  note(noted);
  press(pressed);
  count();
  drawGoals();
});
