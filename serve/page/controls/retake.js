// The seconds of the given clip to make anew, while the rest stays.
import { $, element } from "../elements.js";
import * as given from "../given.js";
import { spoken, word } from "../words.js";

const STEP = 0.05;
let able = false;
let shown = null; // the file that the player shows

export const values = () => (able && $("anew-part").checked && given.given("video") ? { retake: [from(), to()] } : {});

export function restore({ retake = null }) {
  $("anew-part").checked = retake !== null;
  show();
  if (!retake) return;
  for (const name of ["from", "to"]) $(name).max = Math.max($(name).max, retake.at(-1)); // the length may not be known yet
  [$("from").value, $("to").value] = [retake[0], retake.at(-1)];
  tell();
}

export function meet(model) {
  able = model.tasks.includes("retake");
  show();
}

// Choose a part of the given clip: its middle, or from and to in seconds.
export function begin(span = null) {
  $("anew-part").checked = true;
  show();
  const length = Number($("to").max);
  for (const name of ["from", "to"]) $(name).step = span ? "any" : STEP; // the end of a shot is exact
  [$("from").value, $("to").value] = span ?? [length / 3, 2 * length / 3];
  tell();
}

const from = () => Number($("from").value);
const to = () => Number($("to").value);

function show() {
  const file = given.given("video"), length = given.seconds();
  $("retake").hidden = !able || !file;
  $("part").hidden = $("retake").hidden || !$("anew-part").checked;
  for (const name of ["from", "to"]) if (length) $(name).max = length;
  if (file !== shown) {
    if (shown) URL.revokeObjectURL($("part-player").src);
    if (file) $("part-player").src = URL.createObjectURL(file);
    else $("part-player").removeAttribute("src");
    shown = file;
  }
  tell();
}

// The ends of the part keep their order; the player shows the one that was moved.
function tell(moved = null) {
  if (moved && to() - from() < STEP) {
    if (moved === $("from")) $("to").value = from() + STEP;
    if (to() - from() < STEP) $("from").value = to() - STEP;
  }
  for (const name of ["from", "to"]) {
    const seconds = word("n_seconds", { n: Number($(name).value).toFixed(2) });
    $(name).setAttribute("aria-valuetext", seconds);
    $(`${name}-said`).textContent = seconds;
  }
  if (moved) $("part-player").currentTime = moved === $("to") ? Math.max(0, to() - STEP) : from();
}

for (const name of ["from", "to"]) {
  $(name).step = STEP;
  $(name).addEventListener("input", () => tell($(name)));
}
$("anew-part").addEventListener("change", show);
given.onGiven(show);
spoken(() => tell());
