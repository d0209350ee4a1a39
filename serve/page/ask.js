// The form: the settings of a clip, its cost, and warnings. A number is a row of NUMBERS.
import { example, understand } from "./chips.js";
import { kindOf } from "./history.js";
import * as camera from "./controls/camera.js";
import * as mask from "./controls/mask.js";
import * as motion from "./controls/motion.js";
import * as paths from "./controls/paths.js";
import * as retake from "./controls/retake.js";
import * as shots from "./controls/shots.js";
import * as structure from "./controls/structure.js";
import { $, element } from "./elements.js";
import * as given from "./given.js";
import { address, file } from "./server.js";
import { has, spoken, word } from "./words.js";

const MOST_CLIPS = 8;
// Numbers behind "Advanced"; `preset` returns the default, `fits` which models have it.
const NUMBERS = [
  { name: "cfg_scale", min: 0, max: 20, step: "any", preset: (model) => model.cfg_scale },
  { name: "top_k", min: 0, max: 4096, step: 1, preset: () => 0 },
  { name: "temperature", min: 0, max: 10, step: "any", preset: () => 1 },
  { name: "upscale", min: 2, max: 4, step: 2, preset: () => 1, fits: (model) => model.upscale.length > 0 },
  { name: "count", min: 1, max: MOST_CLIPS, step: 1, preset: () => 1 },
].map((row) => ({ fits: () => true, ...row }));
const OF_SHOTS = [paths, camera]; // what each shot of a storyboard has of its own
const OF_CLIPS = [motion, structure, retake];

const SLIDES = 1.5; // times as long: context windows overlap

let models = [];
let extras = {}; // settings of an older clip that have no field here
let pace = () => null; // see history.js
export let isWarm = true;
let compileSeconds = 0; // that a clip waits for programs of its own

export const model = () => models.find((each) => each.id === $("model").value);
export const chooseSeed = () => Math.floor(Math.random() * 2 ** 32);
export const words = () => $("prompt").value;
export const seed = () => ($("seed").value === "" ? null : Number($("seed").value));
const number = (name) => ($(name).value === "" ? null : Number($(name).value));

// Default seconds of a clip: those of the model, and those of the given clip.
const preset = () => (model().num_frames / model().fps) + (given.seconds() ?? 0);
const rounded = (seconds) => Number(seconds.toFixed(seconds < 10 ? 1 : 0));
const length = () => number("seconds") ?? preset();

// Seconds of the whole clip.
const whole = () => {
  if (shots.told()) return shots.seconds();
  return retakes() ? given.seconds() ?? preset() : length();
};
const retakes = () => "retake" in retake.values() || given.given("mask") !== null;

// Return the values of the controls, as settings of a clip.
function controlled() {
  const said = [...(shots.told() ? [shots] : OF_SHOTS), ...OF_CLIPS].map((each) => each.values(length()));
  return Object.assign({}, ...said);
}

// Return all settings that the form has, but for words, seed, files and length.
function settings() {
  const said = { ...extras, ...controlled() };
  for (const { name, fits } of NUMBERS) if (name !== "count" && number(name) !== null && fits(model())) said[name] = number(name);
  return said;
}

// Return the bodies of the requests: one for each clip, as forms.
export function bodies(forced = {}) {
  const told = settings();
  if (!shots.told() && !retakes() && (number("seconds") !== null || given.given("video"))) {
    told.num_frames = Math.max(1, Math.round(length() * (extras.fps ?? model().fps)));
  }
  const first = forced.seed ?? seed() ?? chooseSeed();
  return Array.from({ length: forced.count ?? Math.min(number("count") ?? 1, MOST_CLIPS) }, (_, at) => {
    const body = new FormData();
    body.set("model", model().id);
    if (!shots.told()) body.set("prompt", words());
    for (const [name, file] of given.files()) body.append(name, file);
    for (const [name, value] of Object.entries(told)) body.set(name, typeof value === "string" ? value : JSON.stringify(value));
    body.set("seed", (first + at) % 2 ** 32);
    return body;
  });
}

// Set all fields to those of a job, as far as its model is served here.
export async function restore(job) {
  if (models.some((each) => each.id === job.model)) $("model").value = job.model;
  meet();
  const { num_frames, ...settings } = job.settings;
  $("seed").value = job.seed;
  shots.restore(settings);
  if (!shots.told()) {
    $("prompt").value = job.prompt;
    $("seconds").value = num_frames ? Number(job.seconds) : "";
    for (const each of OF_SHOTS) each.restore(settings, Number(job.seconds));
    $("prompt").dispatchEvent(new Event("input"));
  }
  for (const { name } of NUMBERS) $(name).value = typeof settings[name] === "number" ? settings[name] : "";
  given.clear();
  for (const [name, called] of Object.entries(job.given)) {
    const type = called.match(/\.(gif|webp)$/) ? "image/webp" : ["video", "control"].includes(name) ? "video/mp4" : name === "audio" ? "audio/wav" : "image/png";
    if (given.takes(name)) given.give(name, await file(address(job.id, `given/${name}`), called, type));
  }
  for (const each of OF_CLIPS) each.restore(settings);
  const said = { ...controlled(), ...Object.fromEntries(NUMBERS.map(({ name }) => [name, number(name)])) };
  extras = Object.fromEntries(Object.entries(settings).filter(([name]) => (said[name] ?? null) === null));
  $("advanced").open ||= Object.keys(extras).length > 0 || NUMBERS.some(({ name }) => number(name) !== null);
  $("steering").open ||= ["tracks", "camera", "motion", "control_kind"].some((name) => name in said);
  tell();
}

// Show what the clip will cost, and warnings.
export function tell() {
  if (!model()) return;
  $("seconds").disabled = retakes(); // such a clip stays as long as it is
  $("seconds").placeholder = rounded(retakes() ? whole() : preset());
  for (const { name, preset } of NUMBERS) $(name).placeholder = preset(model());
  const clips = Math.min(number("count") ?? 1, MOST_CLIPS), kind = kindOf(settings(), given.files().map(([name]) => name));
  const cost = pace(model().id, kind);
  const trained = model().trained_frames && model().trained_frames / model().fps;
  const unbroken = shots.told() ? shots.longest() : length();
  const said = [];
  if (cost) {
    const slides = trained && unbroken > trained ? SLIDES : 1, waits = cost.compiles * compileSeconds;
    const seconds = cost.seconds * whole() * clips * slides + waits;
    said.push(word(waits ? "first_cost" : "cost", { n: Math.max(1, Math.round(seconds)) }));
  } else said.push(word("unknown_cost"), ...(kind ? [word("compiles")] : []));
  if (trained && !retakes() && unbroken > trained + 1 / model().fps) said.push(word("beyond", { n: rounded(trained) }));
  if (!isWarm) said.push(word("warming_cost"));
  $("cost").textContent = said.join(" ");
  const further = Object.entries(extras).map(([name, value]) => `${name} ${JSON.stringify(value)}`).join(", ");
  $("extras").hidden = !further;
  $("extras").firstElementChild.textContent = word("extras", { words: further });
}

// Show the chosen model, and what it understands.
export function meet() {
  if (!model()) return;
  const { id, languages, width, height, fps, sound, keys, captions } = model();
  const other = [word("other", { size: `${width}x${height}`, fps }), sound && word("with_sound")].filter(Boolean).join(word("comma"));
  document.body.classList.toggle("world", keys.length > 0);
  $("about").textContent = has(`is_${id}`) ? word(`is_${id}`) : other;
  const reads = languages.includes("zh") ? "either" : languages.length ? "english" : "free";
  $("prompt").placeholder = word(reads, { words: example(model()) });
  $("is-world").hidden = !keys.length;
  $("cut").disabled = captions.length > 0; // a model of named pictures cannot turn one into another
  $("cut").checked ||= $("cut").disabled;
  understand(model());
  given.meet(model());
  for (const { name, fits } of NUMBERS) $(name).parentElement.hidden = !fits(model());
  for (const each of OF_CLIPS) each.meet(model());
  camera.meet(model());
  mask.meet(model());
  paths.meet(model(), length);
  shots.meet(model(), model().num_frames / fps);
  $("steering").hidden = !(model().tracks || model().camera || model().motion || model().control_kinds.length);
  tell();
}

// Return whether a job's model is served here, and was trained for a task.
export const knows = (job, task) => models.some((each) => each.id === job.model && each.tasks.includes(task));

// Put a finished clip into the form, to make a part of it anew.
export async function makeAnew(job, clip) {
  await restore(job);
  for (const name of ["image", "last_image", "video"]) given.give(name, null);
  given.give("video", clip, Number(job.seconds));
  retake.begin(shots.told() ? shots.span() : null);
  tell();
}

// Put a finished clip into the form, to continue it.
export function goOn(job, clip) {
  retake.restore({});
  given.give("video", clip, Number(job.seconds));
}

export function offer(served) {
  models = served;
  $("model").replaceChildren(...models.map(({ id }) => new Option(id, id)));
  meet();
}

// Choose a model by its name; return whether it is served here.
export function choose(name) {
  if (!models.some(({ id }) => id === name)) return false;
  $("model").value = name;
  meet();
  return true;
}

export function warm(found) {
  isWarm = found?.warm === true;
  compileSeconds = found?.compile_seconds ?? 0;
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
for (const name of ["seconds", "prompt"]) $(name).addEventListener("input", tell);
for (const name of ["add-shot", "remove-shot", "shots"]) $(name).addEventListener("click", tell);
$("load-shots").addEventListener("loaded", tell);
$("shots").addEventListener("click", () => { if (retakes()) retake.begin(shots.span()); }); // a shot that is made anew
$("anew-part").addEventListener("change", tell);
$("no-extras").addEventListener("click", () => { extras = {}; tell(); $("make").focus(); });
given.onGiven(() => {
  $("likes").classList.toggle("doubt", given.files().length > 0);
  tell();
});
spoken(meet);
