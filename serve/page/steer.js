// Live: a clip or a world that plays on the stage until it is stopped, steered by words or by keys.
import * as asked from "./ask.js";
import { $ } from "./elements.js";
import { Live } from "./live.js";
import { Pad, inWords } from "./pad.js";
import { address, isLost, made, ready, send } from "./server.js";
import * as stage from "./stage.js";
import { spoken, word } from "./words.js";
import { World } from "./world.js";

let live = null; // the clip or world that plays
let world = null; // the newest world, also when it has ended
let cut = false; // whether it ended because the server was lost
let status = ""; // the word for its status
let on = {}; // `tell` shows an error, or nothing; `recorded` is called when a clip was added

export const isLive = () => document.body.classList.contains("live");
const isWorld = () => document.body.classList.contains("world");
export const plays = () => live !== null;
export const use = (hearers) => { on = hearers; };

const pad = new Pad($("arrows"), $("others"), {
  press: (key) => { on.tell(); world?.press(key); $("pressed").textContent = inWords(key); },
  release: (key) => world?.release(key),
  unknown: (key) => { $("pressed").textContent = `${word("unknown")} ${key}`; },
}, () => isWorld() && live !== null);

function speak() {
  if (isLive()) {
    $("make").textContent = word(!live ? "play" : isWorld() ? "anew" : "say");
    $("status").textContent = status && word(status);
    $("status").classList.remove("fault");
  }
  count();
}

function stand(how) {
  status = how;
  speak();
}

const hearers = () => ({
  fault: (error) => on.tell(error),
  words: (told) => stage.hear(told),
  step: ({ keys }) => { count(); if (keys?.length) $("pressed").textContent = keys.map(inWords).join(", "); },
  end: (one) => { if (live === one) end({ lost: true }); },
});

// Begin, or go on with other words.
export function go() {
  on.tell();
  if (isWorld()) return enter(asked.seed() ?? asked.chooseSeed());
  stage.hear({ warnings: [] });
  if (live) return live.say({ prompt: asked.words(), cut: $("cut").checked });
  if (!window.MediaSource) return on.tell({ message: word("unplayable") });
  cut = false;
  $("stage").hidden = $("stop").hidden = false;
  $("preview").hidden = $("progress").hidden = $("other").hidden = true;
  stage.video().hidden = stage.video().loop = false;
  const seed = asked.seed() === null ? {} : { seed: asked.seed() };
  live = new Live(asked.model(), { prompt: asked.words(), ...seed }, stage.video(), hearers());
  stand("playing");
}

// A world: its keys go to the server, and what was played becomes a clip again.
export async function enter(seed) {
  on.tell();
  cut = false;
  $("stage").hidden = $("stop").hidden = false;
  $("progress").hidden = $("recording").hidden = true;
  $("screen").focus();
  stand("warming");
  await ready();
  if (!isWorld()) return; // another view was chosen meanwhile
  if (live) live.say({ seed });
  else live = world = new World(asked.model().id, seed, $("screen"), hearers());
  stand("steered");
}

function count() {
  const steps = world?.keys.length ?? 0;
  $("counter").textContent = world?.came ? `${word("frame")} ${steps} · ${word("seed")} ${world.seed}` : "";
  $("record").disabled = !steps;
}

async function record() {
  const { model, seed, keys } = world;
  $("record").disabled = true;
  $("recording").hidden = true;
  try {
    stand("recording");
    const job = await made(await send("v1/videos", { model, seed, keys }));
    $("recording").href = address(job.id, "content");
    $("recording").download = `${model}-${seed}.mp4`;
    $("recording").hidden = false;
    stand("recorded");
    on.recorded();
  } catch (error) {
    on.tell(error);
  }
  count();
}

export function end({ lost = false } = {}) {
  cut = lost;
  live?.socket.close();
  live = null;
  pad.releaseAll();
  $("stop").hidden = true;
  stand("ended");
}

// Continue the clip or world that the lost server played.
export function resume() {
  if (isLive() && !live && cut && !isLost()) go();
}

// Show how the chosen model can be steered.
export function meet() {
  const keys = isLive() ? asked.model()?.keys ?? [] : [];
  document.body.classList.toggle("world", keys.length > 0);
  pad.use(keys);
  world = null;
  cut = false;
  status = "";
  $("recording").hidden = true;
  $("pressed").textContent = "";
  speak();
}

$("anew").addEventListener("click", () => enter(asked.chooseSeed()));
$("record").addEventListener("click", record);
spoken(speak);
