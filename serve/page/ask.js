// What is asked for: the settings of a clip, what it will cost, and what was never trained. A number is a row of NUMBERS.
import { example, understand } from "./chips.js";
import { $, element } from "./elements.js";
import * as given from "./given.js";
import { address, file } from "./server.js";
import { has, spoken, word } from "./words.js";

const MOST_CLIPS = 8;
// Numbers behind "Advanced"; `preset` says what holds where the field is empty.
const NUMBERS = [
  { name: "cfg_scale", min: 0, max: 20, step: "any", preset: (model) => model.cfg_scale },
  { name: "top_k", min: 0, max: 4096, step: 1, preset: () => 0 },
  { name: "temperature", min: 0, max: 10, step: "any", preset: () => 1 },
  { name: "count", min: 1, max: MOST_CLIPS, step: 1, preset: () => 1 },
];
const SHOWN = ["num_frames", ...NUMBERS.map((each) => each.name)];

let models = [];
let extras = {}; // settings of an older clip that have no field here
let pace = () => null; // seconds of work for a second of a model's clips
export let isWarm = true;

export const model = () => models.find((each) => each.id === $("model").value);
export const chooseSeed = () => Math.floor(Math.random() * 2 ** 32);
export const words = () => $("prompt").value;
export const seed = () => ($("seed").value === "" ? null : Number($("seed").value));
const number = (name) => ($(name).value === "" ? null : Number($(name).value));

// Seconds of a clip for which none are said: those of the given clip come on top of the model's own.
const preset = () => (model().num_frames / model().fps) + (given.seconds() ?? 0);
const rounded = (seconds) => Number(seconds.toFixed(seconds < 10 ? 1 : 0));
const length = () => number("seconds") ?? preset();

// Return the bodies of the requests: one for each clip, as forms.
export function bodies(forced = {}) {
  const found = new FormData();
  for (const name of ["model", "prompt", "image", "last_image", "video"]) {
    const value = name === "model" || name === "prompt" ? $(name).value : given.given(name);
    if (value) found.set(name, value);
  }
  for (const [name, value] of Object.entries(extras)) found.set(name, typeof value === "string" ? value : JSON.stringify(value));
  for (const { name } of NUMBERS) if (name !== "count" && number(name) !== null) found.set(name, number(name));
  if (number("seconds") !== null || given.given("video")) {
    found.set("num_frames", Math.max(1, Math.round(length() * (extras.fps ?? model().fps))));
  }
  const first = forced.seed ?? seed() ?? chooseSeed();
  return Array.from({ length: forced.count ?? Math.min(number("count") ?? 1, MOST_CLIPS) }, (_, at) => {
    const body = new FormData();
    for (const [name, value] of found) body.set(name, value);
    body.set("seed", (first + at) % 2 ** 32);
    return body;
  });
}

// Set all fields to those of a job, as far as its model is served here.
export async function restore(job) {
  if (models.some((each) => each.id === job.model)) $("model").value = job.model;
  meet();
  $("prompt").value = job.prompt;
  $("seed").value = job.seed;
  const { num_frames, ...others } = job.settings;
  $("seconds").value = num_frames ? Number(job.seconds) : "";
  for (const { name } of NUMBERS) $(name).value = typeof others[name] === "number" ? others[name] : "";
  const known = (name, value) => SHOWN.includes(name) && typeof value === "number";
  extras = Object.fromEntries(Object.entries(others).filter(([name, value]) => !known(name, value)));
  $("advanced").open ||= Object.keys(others).length > 0;
  $("prompt").dispatchEvent(new Event("input"));
  given.clear();
  tell();
  for (const [name, called] of Object.entries(job.given)) {
    const type = { image: "image/png", last_image: "image/png", video: /\.(gif|webp)$/.test(called) ? "image/webp" : "video/mp4" }[name];
    if (type) given.give(name, await file(address(job.id, `given/${name}`), called, type));
  }
}

// Say what the clip will cost, and what of it the model was not trained for.
export function tell() {
  if (!model()) return;
  $("seconds").placeholder = rounded(preset());
  for (const { name, preset } of NUMBERS) $(name).placeholder = preset(model());
  const clips = Math.min(number("count") ?? 1, MOST_CLIPS), cost = pace(model().id);
  const said = [cost === null ? word("unknown_cost") : word("cost", { n: Math.max(1, Math.round(cost * length() * clips)) })];
  const trained = model().trained_frames && model().trained_frames / model().fps;
  if (trained && length() > trained + 1 / model().fps) said.push(word("beyond", { n: rounded(trained) }));
  if (number("cfg_scale") !== null || number("top_k")) said.push(word("compiles"));
  if (!isWarm) said.push(word("warming_cost"));
  $("cost").textContent = said.join(" ");
  const further = Object.entries(extras).map(([name, value]) => `${name} ${JSON.stringify(value)}`).join(", ");
  $("extras").hidden = !further;
  $("extras").firstElementChild.textContent = word("extras", { words: further });
}

// Show what the chosen model is, and what it understands.
export function meet() {
  if (!model()) return;
  const { id, languages, width, height, fps, sound, keys, captions } = model();
  const other = [word("other", { size: `${width}x${height}`, fps }), sound && word("with_sound")].filter(Boolean).join(", ");
  const about = has(`is_${id}`) ? word(`is_${id}`) : other;
  $("about").textContent = keys.length ? `${about} ${word("keys", { words: keys.map((key) => key.replaceAll("_", " ")).join(", ") })}` : about;
  const reads = languages.includes("zh") ? "either" : languages.length ? "english" : "free";
  $("prompt").placeholder = word(reads, { words: example(model()) });
  $("is-world").hidden = !keys.length;
  $("cut").disabled = captions.length > 0; // who knows pictures by name does not turn one into another
  $("cut").checked ||= $("cut").disabled;
  understand(model());
  tell();
}

export function offer(served) {
  models = served;
  $("model").replaceChildren(...models.map(({ id }) => new Option(id, id)));
  meet();
}

export function warm(now) {
  isWarm = now;
  tell();
}

export function estimate(found) {
  pace = found;
  tell();
}

$("numbers").replaceChildren(...NUMBERS.map(({ name, min, max, step }) => {
  const field = element("input", { id: name, type: "number", min, max, step, inputMode: "decimal" });
  field.addEventListener("input", tell);
  return element("label", {}, element("span", { "data-words": name }, word(name)), field);
}));
$("seconds").addEventListener("input", tell);
$("no-extras").addEventListener("click", () => { extras = {}; tell(); $("make").focus(); });
given.onGiven(tell);
spoken(meet);
