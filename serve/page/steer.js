// Live: a clip that plays on the stage until it is stopped, steered by words, or a world, which is steered by keys.
import * as asked from "./ask.js";
import { $ } from "./elements.js";
import * as game from "./game.js";
import { Live } from "./live.js";
import { isLost } from "./server.js";
import * as stage from "./stage.js";
import { spoken, word } from "./words.js";

let live = null; // the clip that plays
let cut = false; // whether it ended because the server was lost
let status = ""; // the word for its status
let on = {}; // `tell` shows an error, or nothing; `recorded` is called when a clip was added

export const isLive = () => document.body.classList.contains("live");
export const plays = () => live !== null || game.plays();

export function use(hearers) {
  on = hearers;
  game.use({ ...hearers, changed: speak });
}

function speak() {
  if (!isLive()) return;
  $("make").textContent = word(game.isWorld() ? "play_seed" : live ? "say" : "play");
  $("stop").hidden = !plays();
  $("status").textContent = status && word(status);
  $("status").classList.remove("fault");
}

// Begin, or go on with other words.
export function go(link = null) {
  on.tell();
  $("stage").hidden = false;
  $("preview").hidden = $("progress").hidden = true;
  if (game.isWorld()) return game.enter(link ?? { seed: asked.seed() });
  stage.hear({ warnings: [] });
  if (live) return live.say({ prompt: asked.words(), cut: $("cut").checked });
  if (!window.MediaSource) return on.tell({ message: word("unplayable") });
  cut = false;
  $("other").hidden = true;
  stage.video().hidden = stage.video().loop = false;
  const seed = asked.seed() === null ? {} : { seed: asked.seed() };
  live = new Live(asked.model(), { prompt: asked.words(), ...seed }, stage.video(), {
    fault: (error) => on.tell(error),
    words: (told) => stage.hear(told),
    end: (one) => { if (live === one) end({ lost: true }); },
  });
  status = "playing";
  speak();
}

// Stop; the focus stays beside the button that goes.
export function end({ lost = false } = {}) {
  const focused = document.activeElement === $("stop");
  if (game.plays()) game.end();
  if (live) {
    cut = lost;
    live.socket.close();
    live = null;
    status = "ended";
  }
  speak();
  if (focused) $("make").focus({ preventScroll: true });
}

// Go on with what the lost server played.
export function resume() {
  if (!isLive() || isLost() || live) return;
  if (cut) go();
  game.resume();
}

// Show how the chosen model can be steered.
export function meet() {
  game.meet();
  cut = false;
  status = "";
  speak();
}

spoken(speak);
