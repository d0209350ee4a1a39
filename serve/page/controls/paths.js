// Paths of subjects: drawn with a pointer on a frame of the clip, tapped point by point, or written as numbers.
import { $, element } from "../elements.js";
import * as given from "../given.js";
import { spoken, word } from "../words.js";
import { follow, paint, timed } from "./drawing.js";
import { Rows } from "./rows.js";

const COLOURS = ["#7db2ff", "#ffb454", "#7ee787", "#ff8ad1", "#d2a8ff", "#fff", "#ff8a80", "#6be5e0"];

let paths = []; // of each subject: null, or points [share of the clip's time, x, y]
let at = 0; // the subject that is drawn
let length = () => 1; // seconds of the clip
let picture = null; // the first frame, if one is given
let trained = {}; // how fast and where the tracks of the training went, and the size of frames

const place = $("paths");
const subjects = element("div", { className: "row subjects", role: "group" });
const canvas = element("canvas", { role: "img" });
const hint = element("p", { className: "quiet" });
const doubts = element("ul", { className: "doubts", "aria-live": "polite" });
const clear = element("button", { type: "button" });
const byNumbers = element("summary");
const numbers = element("details", {}, byNumbers);
const legend = element("legend");
place.append(legend, hint, subjects, canvas, doubts, element("div", { className: "row" }, clear), numbers);

const rounded = (number, digits = 3) => Number(number.toFixed(digits));
const columns = [
  { name: "at_seconds", min: 0, step: "any" },
  { name: "across", min: 0, max: 100, step: "any" },
  { name: "down", min: 0, max: 100, step: "any" },
];
const rows = new Rows(numbers, columns, "point", {
  change: (values) => {
    const points = values.map(([seconds, x, y]) => [seconds / length(), x / 100, y / 100]).sort(([one], [two]) => one - two);
    paths[at] = points.length ? points : null;
    draw();
  },
  next: (last) => (last ? [rounded(last[0] + length() / 4, 2), last[1], last[2]] : [0, 50, 50]),
});

// Return the setting of all paths, for a clip of some seconds.
export function values(seconds) {
  const told = paths.slice(0, paths.findLastIndex(Boolean) + 1);
  const track = (path) => path && path.map(([share, x, y]) => [rounded(share * seconds), [rounded(x), rounded(y)]]);
  return told.length ? { tracks: told.map(track) } : {};
}

export function restore({ tracks = [] }, seconds) {
  paths = paths.map((_, subject) => tracks[subject]?.map(([time, [x, y]]) => [time / seconds, x, y]) ?? null);
  at = Math.max(0, paths.findIndex(Boolean));
  show();
}

// Show as many paths as a model can follow, on a frame of its shape.
export function meet(model, seconds) {
  length = seconds;
  trained = model;
  place.hidden = !model.tracks;
  paths = Array.from({ length: model.tracks }, (_, subject) => paths[subject] ?? null);
  at = Math.min(at, Math.max(0, paths.length - 1));
  canvas.width = 640;
  canvas.height = Math.round(640 * model.height / model.width);
  show();
}

// Return sentences about a path that is faster than all of the training, or goes nearer to the edge.
function doubted(path, subject) {
  const { track_speed, track_area, width, height, fps } = trained, found = [];
  const frames = Math.round(length() * fps);
  const ways = path.slice(1).map(([share, x, y], at) => {
    const apart = Math.max(1, (share - path[at][0]) * frames); // in frames
    return Math.hypot((x - path[at][1]) * width, (y - path[at][2]) * height) / apart;
  });
  const [speed, most] = [Math.max(0, ...ways), (track_speed ?? Infinity) * height].map((each) => rounded(each, 1));
  if (speed > most) found.push(word("too_fast", { n: subject + 1, speed, most }));
  const near = ([, x, y]) => [x, y].some((at, axis) => at < track_area[axis] - 0.005 || at > track_area[axis + 2] + 0.005);
  if (track_area && path.some(near)) {
    const [left, top, right, bottom] = track_area.map((each) => rounded(100 * each, 0));
    found.push(word("near_edge", { n: subject + 1, left, top, right, bottom }));
  }
  return found;
}

function show() {
  rows.set((paths[at] ?? []).map(([share, x, y]) => [rounded(share * length(), 2), rounded(100 * x, 1), rounded(100 * y, 1)]));
  draw();
}

function draw(under = null) {
  paint(canvas, picture, paths.map((path, subject) => ({ path: under && subject === at ? under : path, colour: COLOURS[subject], on: subject === at })));
  const named = (subject) => word("subject", { n: subject + 1 });
  const told = paths.flatMap((path, subject) => (path ? [`${named(subject)}: ${word("points", { n: path.length })}`] : []));
  canvas.ariaLabel = [word("drawn"), ...told].join(". ");
  subjects.hidden = paths.length < 2;
  subjects.ariaLabel = word("subjects");
  const focused = [...subjects.children].indexOf(document.activeElement);
  subjects.replaceChildren(...paths.map((path, subject) => {
    const sign = element("span", { className: path ? "sign on" : "sign", "aria-hidden": "true" });
    const button = element("button", { type: "button", ariaPressed: String(subject === at) }, sign, named(subject));
    sign.style.setProperty("--sign", COLOURS[subject]);
    button.addEventListener("click", () => { at = subject; show(); });
    return button;
  }));
  subjects.children[focused]?.focus();
  clear.hidden = !paths[at];
  const said = paths.flatMap((path, subject) => (path ? doubted(path, subject) : []));
  doubts.replaceChildren(...said.map((each) => element("li", { className: "doubt" }, each)));
}

follow(canvas, {
  moving: (points) => draw(timed(points)),
  drawn: (points) => { paths[at] = timed(points); show(); },
  tapped: (point) => {
    const points = (paths[at] ?? []).map(([, x, y]) => [x, y]);
    const [x, y] = points.at(-1) ?? [-1, -1];
    if (Math.hypot(point[0] - x, point[1] - y) > 0.005) paths[at] = timed([...points, point]);
    show();
  },
  left: () => draw(),
});
$("seconds").addEventListener("change", show); // the times of points are shares of it
clear.addEventListener("click", () => { paths[at] = null; show(); byNumbers.focus(); });

given.onGiven(async () => {
  const file = given.given("image");
  picture = file ? await createImageBitmap(file).catch(() => null) : null;
  draw();
});

spoken(() => {
  legend.textContent = word("paths");
  hint.textContent = word("draw_here");
  clear.textContent = word("clear_path");
  byNumbers.textContent = word("by_numbers");
  draw();
});
