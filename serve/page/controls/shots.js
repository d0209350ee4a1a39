// The storyboard: the shots of a clip in their order. The form shows one of them, the others are kept here.
import { $, element } from "../elements.js";
import { spoken, word } from "../words.js";
import * as camera from "./camera.js";
import * as paths from "./paths.js";

let shots = []; // {prompt, seconds or null, cut, tracks, camera}; none without a storyboard
let at = 0; // the shot that the form shows
let able = false; // whether the model cuts: without a cut, other words change nothing
let usual = 1; // default seconds of a shot

export const told = () => shots.length > 0;

const lasts = ({ seconds }) => seconds ?? usual;
export const seconds = () => shots.reduce((sum, shot) => sum + lasts(shot), 0);
export const longest = () => Math.max(...shots.map(lasts));

// Seconds, from and to, of the shot that the form shows.
export function span() {
  const from = shots.slice(0, at).reduce((sum, shot) => sum + lasts(shot), 0);
  return [from, from + lasts(shots[at])];
}

export function values() {
  keep();
  const shot = ({ prompt, cut, ...others }, first) => ({ ...others, prompt, seconds: lasts(others), cut: first || cut });
  return told() ? { storyboard: shots.map((each, number) => shot(each, number === 0)) } : {};
}

export function restore({ storyboard = [] }) {
  shots = able ? storyboard.map(({ cut = true, ...others }) => ({ ...others, cut })) : [];
  if (told()) load(0);
  draw();
}

// A file has the form of `reelm generate --storyboard`. Pictures that it names are left out: a page cannot open paths.
function save() {
  const url = URL.createObjectURL(new Blob([JSON.stringify(values(), null, 2)], { type: "application/json" }));
  element("a", { href: url, download: "storyboard.json" }).click();
  URL.revokeObjectURL(url);
}

function read(text) {
  const found = JSON.parse(text), told = Array.isArray(found) ? found : found.storyboard;
  if (!told?.length || told.some((shot) => typeof shot?.prompt !== "string" || !(shot.seconds > 0))) throw new Error();
  restore({ storyboard: told.map(({ references, ...shot }) => shot) });
}

export function meet(model, preset) {
  usual = preset;
  able = model.tasks.includes("shots") && !model.keys.length;
  if (!able) shots = [];
  draw();
}

// Store the content of the form in the shot that it shows.
export function keep() {
  if (!told()) return;
  const length = $("seconds").value === "" ? null : Number($("seconds").value);
  shots[at] = { prompt: $("prompt").value, seconds: length, cut: $("shot-cut").checked, ...paths.values(length ?? usual), ...camera.values() };
  draw();
}

function load(number) {
  at = number;
  const shot = shots[at];
  $("prompt").value = shot.prompt;
  $("seconds").value = shot.seconds ?? "";
  $("shot-cut").checked = shot.cut;
  paths.restore(shot, lasts(shot));
  camera.restore(shot);
  $("prompt").dispatchEvent(new Event("input"));
}

function draw() {
  $("storyboard").hidden = !able;
  $("shots").hidden = !told();
  $("shot-cut").parentElement.hidden = !told() || at === 0;
  for (const name of ["remove-shot", "save-shots", "shot-earlier", "shot-later"]) $(name).hidden = !told();
  $("shot-earlier").disabled = at === 0;
  $("shot-later").disabled = at >= shots.length - 1;
  const number = { n: at + 1 }, shown = told() && !document.body.classList.contains("live");
  document.querySelector('label[for="prompt"]').textContent = shown ? word("prompt_of", number) : word("prompt");
  $("length-said").textContent = word(told() ? "length_of" : "length");
  const focused = [...$("shots").children].findIndex((each) => each.contains(document.activeElement));
  $("shots").replaceChildren(...shots.map(block));
  if (focused >= 0) $("shots").children[Math.min(focused, shots.length - 1)]?.firstElementChild.focus();
}

// A shot in the timeline, as wide as it is long.
function block(shot, number) {
  const words = shot.prompt.trim() || word("no_words"), length = word("n_seconds", { n: Number(lasts(shot).toFixed(1)) });
  const cut = number > 0 && shot.cut;
  const heard = (text) => element("span", { className: "hidden" }, text); // text for screen readers
  const button = element("button", { type: "button", ariaPressed: String(number === at), title: words },
    heard(`${word("shot", { n: number + 1 })}: `), element("span", { className: "words" }, words),
    element("span", { className: "quiet" }, length), heard(cut ? word("shot_cut") : ""));
  button.addEventListener("click", () => { keep(); load(number); draw(); });
  const item = element("li", { className: cut || !number ? "" : "joined" }, button);
  item.style.flexGrow = lasts(shot);
  return item;
}

$("add-shot").addEventListener("click", () => {
  if (!told()) {
    shots = [{}];
    at = 0;
    $("shot-cut").checked = true;
  }
  keep();
  shots.splice(at + 1, 0, { prompt: shots[at].prompt, seconds: shots[at].seconds, cut: true });
  load(at + 1);
  draw();
  $("prompt").focus();
  $("prompt").select();
});
$("remove-shot").addEventListener("click", () => {
  keep();
  shots.splice(at, 1);
  load(Math.max(0, Math.min(at, shots.length - 1)));
  if (shots.length === 1) shots = [];
  draw();
  (told() ? $("shots").children[at].firstElementChild : $("add-shot")).focus();
});
for (const [name, by] of [["shot-earlier", -1], ["shot-later", 1]]) {
  $(name).addEventListener("click", () => {
    keep();
    shots.splice(at + by, 0, ...shots.splice(at, 1));
    at += by;
    draw();
    if ($(name).disabled) $("shots").children[at].firstElementChild.focus();
  });
}
$("save-shots").addEventListener("click", save);
$("load-shots").addEventListener("change", async () => {
  const [file] = $("load-shots").files;
  $("load-shots").value = "";
  $("message").textContent = "";
  try {
    read(await file.text());
  } catch {
    $("message").textContent = word("no_shots");
  }
  $("load-shots").dispatchEvent(new Event("loaded", { bubbles: true }));
});
for (const name of ["prompt", "seconds", "shot-cut"]) $(name).addEventListener("input", keep);
spoken(draw);
