// The part of a given clip that is painted over and made anew in all its frames: white in a picture that is black elsewhere.
// The picture is one of the files in given.js, so it can also be chosen there.
import { $, element } from "../elements.js";
import * as given from "../given.js";
import { spoken, word } from "../words.js";
import { follow } from "./drawing.js";

const BRUSH = 0.14; // share of the width
const SIDE = 384; // pixels of the longer side of the painting

let film = null; // what is painted on: a video element or a picture
let filmed = null; // the file that it shows
let own = null; // the file that was painted here
let able = false;

const canvas = element("canvas", { role: "img" }), strokes = element("canvas");
const hint = element("p", { className: "quiet" });
$("mask").append(hint, canvas);

export function meet(model) {
  able = model.tasks.includes("inpainting");
  show();
}

function show() {
  const file = given.given("video");
  $("mask").hidden = !able || !file;
  if (file !== filmed) begin(file);
  const mask = given.given("mask");
  if (mask === own) return;
  own = mask;
  wipe();
  if (mask) createImageBitmap(mask).then((picture) => { strokes.getContext("2d").drawImage(picture, 0, 0, strokes.width, strokes.height); draw(); }, () => {});
}

async function begin(file) {
  filmed = file;
  film = null;
  if (!file) return;
  if (file.type.startsWith("image/")) return size(await createImageBitmap(file).catch(() => null));
  const player = element("video", { src: URL.createObjectURL(file), muted: true, preload: "auto" });
  player.addEventListener("loadeddata", () => size(player));
}

function size(found) {
  film = found;
  if (!film) return;
  const wide = film.videoWidth ?? film.width, high = film.videoHeight ?? film.height, scale = SIDE / Math.max(wide, high);
  for (const each of [canvas, strokes]) [each.width, each.height] = [wide * scale, high * scale];
  wipe();
}

function wipe() {
  strokes.getContext("2d").fillRect(0, 0, strokes.width, strokes.height);
  draw();
}

function draw() {
  const pen = canvas.getContext("2d"), { width, height } = canvas;
  Object.assign(pen, { imageSmoothingEnabled: false, globalCompositeOperation: "source-over", globalAlpha: 1 });
  pen.clearRect(0, 0, width, height);
  if (film) pen.drawImage(film, 0, 0, width, height);
  Object.assign(pen, { globalCompositeOperation: "lighten", globalAlpha: 0.75 });
  pen.drawImage(strokes, 0, 0);
}

function stroke(points) {
  const pen = strokes.getContext("2d"), { width, height } = strokes;
  Object.assign(pen, { strokeStyle: "#fff", lineWidth: BRUSH * width, lineJoin: "round", lineCap: "round" });
  pen.beginPath();
  for (const [x, y] of [points[0], ...points]) pen.lineTo(x * width, y * height);
  pen.stroke();
  draw();
}

function keep() {
  strokes.toBlob((blob) => {
    own = new File([blob], "mask.png", { type: "image/png" });
    given.give("mask", own);
    own = given.given("mask");
  });
}

follow(canvas, {
  moving: stroke,
  drawn: keep,
  tapped: (point) => { stroke([point]); keep(); },
  left: keep,
});
given.onGiven(show);
spoken(() => {
  hint.textContent = word("paint_here");
  canvas.ariaLabel = word("paint_here");
});
