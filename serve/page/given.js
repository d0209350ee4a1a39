// Files that a clip is made of: chosen, dropped or pasted, shown, and cleared. A new kind of file is a row of FIELDS.
import { $, element } from "./elements.js";
import { spoken, word } from "./words.js";

const FIELDS = [
  { name: "image", accept: "image/*" },
  { name: "last_image", accept: "image/*" },
  { name: "video", accept: "video/*,image/gif,image/webp" },
];
const zones = new Map();
const changed = [];

// Call a function whenever other files are given.
export const onGiven = (hearer) => changed.push(hearer);

export const given = (name) => zones.get(name).input.files[0] ?? null;

// Seconds of the clip that is given; null without one, or where the browser cannot tell.
export const seconds = () => (given("video") ? zones.get("video").seconds : null);

export function give(name, file, known = null) {
  const zone = zones.get(name), held = new DataTransfer();
  if (file) held.items.add(file);
  zone.input.files = held.files;
  show(zone, known);
  if (file) $("given").open = true;
}

export const clear = () => { for (const { name } of FIELDS) give(name, null); };

function show(zone, known = null) {
  const [file] = zone.input.files;
  if (zone.url) URL.revokeObjectURL(zone.url);
  zone.url = file ? URL.createObjectURL(file) : null;
  zone.seconds = known;
  const filmed = file?.type.startsWith("video/");
  const look = file && element(filmed ? "video" : "img", { src: zone.url, alt: "", muted: true });
  if (filmed) look.addEventListener("loadedmetadata", () => { zone.seconds = known ?? look.duration; tell(); });
  zone.thumbnail.replaceChildren(...(look ? [look] : []));
  zone.clear.hidden = !file;
  speak(zone);
  tell();
}

const tell = () => { for (const hearer of changed) hearer(); };

function speak(zone) {
  const [file] = zone.input.files;
  zone.label.textContent = word(zone.name);
  zone.hint.textContent = file ? file.name : word("choose");
  zone.clear.textContent = word("clear");
  zone.clear.ariaLabel = `${word("clear")}: ${word(zone.name)}`;
}

function zone({ name, accept }) {
  const input = element("input", { type: "file", name, accept, className: "hidden" });
  const label = element("span", { className: "named" }), hint = element("span", { className: "quiet" });
  const thumbnail = element("span", { className: "thumbnail" });
  const clear = element("button", { type: "button", hidden: true });
  const drop = element("label", { className: "drop" }, thumbnail, element("span", {}, label, hint), input);
  const made = { name, input, label, hint, thumbnail, clear, seconds: null, url: null };
  input.addEventListener("change", () => show(made));
  clear.addEventListener("click", () => { give(name, null); input.focus(); });
  for (const type of ["dragenter", "dragover"]) {
    drop.addEventListener(type, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  for (const type of ["dragleave", "drop"]) drop.addEventListener(type, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) give(name, event.dataTransfer.files[0]);
  });
  zones.set(name, made);
  return element("div", { className: "row" }, drop, clear);
}

$("drops").replaceChildren(...FIELDS.map(zone));
spoken(() => zones.forEach((each) => speak(each)));

// What is pasted is the first picture, or the clip to continue.
document.addEventListener("paste", (event) => {
  const [file] = event.clipboardData.files;
  if (!file || document.body.classList.contains("live")) return;
  event.preventDefault();
  give(file.type.startsWith("image/") && file.type !== "image/gif" ? "image" : "video", file);
});
