// Input files of a clip: chosen, dropped or pasted, shown, and cleared. A new kind of file is a row of FIELDS.
import { $, element } from "./elements.js";
import { spoken, word } from "./words.js";

const REFERENCES = [1, 2, 3, 4].map((number) => `references-${number}`); // pictures that words call <1> to <4>
const CLIPS = "video/*,image/gif,image/webp";
// The fields, and which models take them; those without `fits` are taken by all.
const FIELDS = [
  { name: "image", accept: "image/*" },
  { name: "last_image", accept: "image/*" },
  { name: "video", accept: CLIPS },
  { name: "mask", accept: "image/*", into: "mask", needs: "video", fits: (model) => model.tasks.includes("inpainting") },
  { name: "audio", accept: "audio/*,video/*", fits: (model) => model.sound && model.tasks.includes("a2v") },
  { name: "control", accept: CLIPS, into: "control-drop", fits: (model) => model.control_kinds.length },
  ...REFERENCES.map((name) => ({ name, accept: "image/*", fits: (model) => model.references })),
];
const zones = new Map();
const changed = [];
let model = null;

// Call a function whenever the files change.
export const onGiven = (hearer) => changed.push(hearer);

const held = (zone) => zone.input.files[0] ?? null;
const fits = (zone) => (!zone.fits || (model !== null && Boolean(zone.fits(model)))) && (!zone.needs || held(zones.get(zone.needs)) !== null);
export const given = (name) => (fits(zones.get(name)) ? held(zones.get(name)) : null);

// All files, by the names that they have in a form.
export const files = () => FIELDS.flatMap(({ name }) => (given(name) ? [[name.replace(/-.*/, ""), given(name)]] : []));

// Return the seconds of the given clip; null without one, or if the browser cannot tell.
export const seconds = () => (given("video") ? zones.get("video").seconds : null);

export function give(name, file, known = null) {
  const zone = zones.get(name), holder = new DataTransfer();
  if (file) holder.items.add(file);
  zone.input.files = holder.files;
  show(zone, known);
  if (file) zone.row.closest("details").open = true;
}

export const clear = () => { for (const { name } of FIELDS) give(name, null); };

export const takes = (name) => zones.has(name);

// Offer the files that a model takes.
export function meet(chosen) {
  model = chosen;
  offer();
  tell();
}

// Offer one more reference than there are.
function offer() {
  for (const zone of zones.values()) {
    const before = zones.get(REFERENCES[REFERENCES.indexOf(zone.name) - 1]);
    zone.row.hidden = !fits(zone) || Boolean(before && !held(before));
  }
}

function show(zone, known = null) {
  const file = held(zone);
  if (zone.url) URL.revokeObjectURL(zone.url);
  zone.url = file ? URL.createObjectURL(file) : null;
  zone.seconds = known;
  const filmed = file?.type.startsWith("video/");
  const look = file && !file.type.startsWith("audio/") && element(filmed ? "video" : "img", { src: zone.url, alt: "", muted: true });
  if (filmed) look.addEventListener("loadedmetadata", () => { zone.seconds = known ?? look.duration; tell(); });
  zone.thumbnail.replaceChildren(...(look ? [look] : []));
  zone.clear.hidden = !file;
  if (zone.call) zone.call.hidden = !file;
  offer();
  speak(zone);
  tell();
}

const tell = () => { for (const hearer of changed) hearer(); };

function speak(zone) {
  const file = held(zone), number = zone.name.split("-")[1];
  const called = number ? word("reference", { n: number }) : word(zone.name);
  zone.label.textContent = called;
  zone.hint.textContent = file ? file.name : word("choose");
  zone.clear.textContent = word("clear");
  zone.clear.ariaLabel = `${word("clear")}: ${called}`;
  if (zone.call) zone.call.ariaLabel = word("call", { words: `<${number}>` });
}

// References have no gaps: those after a cleared one move up.
function drop(name) {
  const at = REFERENCES.indexOf(name);
  const behind = at < 0 ? [] : REFERENCES.slice(at + 1).map((each) => held(zones.get(each)));
  [...behind, null].forEach((file, number) => give(at < 0 ? name : REFERENCES[at + number], file));
}

// A button that writes the name of a reference at the caret.
function caller(name) {
  const button = element("button", { type: "button", hidden: true }, `<${name.split("-")[1]}>`);
  button.addEventListener("click", () => {
    const prompt = $("prompt"), { selectionStart: start, selectionEnd: end, value } = prompt;
    prompt.setRangeText(`${/\S$/.test(value.slice(0, start)) ? " " : ""}${button.textContent}`, start, end, "end");
    prompt.dispatchEvent(new Event("input"));
    prompt.focus();
  });
  return button;
}

function zone(field) {
  const { name, accept, into = "drops" } = field;
  const input = element("input", { type: "file", name, accept, className: "hidden" });
  const label = element("span", { className: "named" }), hint = element("span", { className: "quiet" });
  const thumbnail = element("span", { className: "thumbnail" });
  const clear = element("button", { type: "button", hidden: true });
  const call = REFERENCES.includes(name) ? caller(name) : null;
  const place = element("label", { className: "drop" }, thumbnail, element("span", {}, label, hint), input);
  const row = element("div", { className: "row" }, place, ...(call ? [call] : []), clear);
  const made = { ...field, input, label, hint, thumbnail, clear, call, row, seconds: null, url: null };
  input.addEventListener("change", () => show(made));
  clear.addEventListener("click", () => { drop(name); input.focus(); });
  for (const type of ["dragenter", "dragover"]) {
    place.addEventListener(type, (event) => { event.preventDefault(); place.classList.add("over"); });
  }
  for (const type of ["dragleave", "drop"]) place.addEventListener(type, () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) give(name, event.dataTransfer.files[0]);
  });
  zones.set(name, made);
  $(into).append(row);
}

FIELDS.forEach(zone);
offer();
spoken(() => zones.forEach((each) => speak(each)));

// A pasted file is the first picture, or the clip to continue.
document.addEventListener("paste", (event) => {
  const [file] = event.clipboardData.files;
  if (!file || document.body.classList.contains("live")) return;
  event.preventDefault();
  give(file.type.startsWith("image/") && file.type !== "image/gif" ? "image" : "video", file);
});
