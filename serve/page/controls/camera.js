// How the camera moves: by a word, or by its places over time.
import { $, element } from "../elements.js";
import { spoken, word } from "../words.js";
import { Rows } from "./rows.js";

const WORDS = ["static", "circle left", "circle right", "zoom in", "zoom out", "rise"]; // those of `generate`
const OWN = "own"; // the choice of numbers
const START = [[0, 0, 1, 0], [2, 30, 1.2, 0]]; // seconds, degrees to the right, zoom, percent of its distance up

const place = $("camera");
const chosen = element("select", { id: "camera-words" });
const title = element("span");
const numbers = element("div", { hidden: true });
const doubts = element("ul", { className: "doubts", "aria-live": "polite" });
place.append(element("label", {}, title, chosen), numbers, doubts);

let trained = {}; // how fast the cameras of the training moved, and frames a second

const columns = [
  { name: "at_seconds", min: 0, step: "any" },
  { name: "orbit", min: -360, max: 360, step: "any" },
  { name: "zoom", min: 0.125, max: 8, step: "any" },
  { name: "rise", min: -400, max: 400, step: "any" },
];
const rows = new Rows(numbers, columns, "place_of_camera", {
  change: () => doubt(),
  next: (last) => (last ? [last[0] + 1, ...last.slice(1)] : START[0]),
});

export function values() {
  if (place.hidden) return {};
  if (chosen.value !== OWN) return chosen.value ? { camera: chosen.value } : {};
  const places = [...rows.values].sort(([one], [two]) => one - two);
  return places.length ? { camera: places.map(([seconds, orbit, zoom, rise]) => [seconds, { orbit, zoom, rise: rise / 100 }]) } : {};
}

// Say which moves are faster than all of the training.
function doubt() {
  const { camera_speed, fps } = trained, places = chosen.value === OWN ? [...rows.values].sort(([one], [two]) => one - two) : [];
  const measures = [(row) => row[1], (row) => Math.log2(row[2]), (row) => row[3] / 100];
  const fast = camera_speed && places.slice(1).some((row, at) => measures.some((measure, axis) => {
    const frames = Math.max(1, (row[0] - places[at][0]) * fps);
    return Math.abs(measure(row) - measure(places[at])) / frames > 1.05 * camera_speed[axis];
  }));
  doubts.replaceChildren(...(fast ? [element("li", { className: "doubt" }, word("camera_too_fast"))] : []));
}

export function restore({ camera = "" }) {
  const own = Array.isArray(camera);
  chosen.value = own ? OWN : camera;
  rows.set(own ? camera.map(([seconds, { orbit = 0, zoom = 1, rise = 0 }]) => [seconds, orbit, zoom, 100 * rise]) : []);
  numbers.hidden = !own;
  doubt();
}

export function meet(model) {
  trained = model;
  place.hidden = !model.camera;
  doubt();
}

function speak() {
  const before = chosen.value;
  title.textContent = word("camera");
  const moves = WORDS.map((each) => new Option(word(`camera ${each}`), each));
  chosen.replaceChildren(new Option(word("as_it_likes"), ""), ...moves, new Option(word("by_numbers"), OWN));
  chosen.value = before;
  doubt();
}

chosen.addEventListener("change", () => {
  numbers.hidden = chosen.value !== OWN;
  if (!numbers.hidden && !rows.values.length) rows.set(START);
  doubt();
});
spoken(speak);
