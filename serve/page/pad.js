// The keys of a world: on the keyboard, and as buttons for a finger, a mouse or a screen reader.
import { element } from "./elements.js";
import { has, word } from "./words.js";

const ARROWS = { left: "ArrowLeft", right: "ArrowRight", up: "ArrowUp", down: "ArrowDown" };
const WASD = { left: "a", right: "d", up: "w", down: "s" };
const SIGNS = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", " ": "␣" };
const LETTERS = [..."abcdefghijklmnopqrstuvwxyz"];
const TYPED = "input, textarea, select"; // where keys are text

// Assign keys of the keyboard to keys of the world: arrows and W, A, S, D, space, and for all others a letter of their name.
export function keyboard(keys) {
  const table = new Map();
  for (const named of [ARROWS, WASD, { do: " " }]) for (const [name, key] of Object.entries(named)) if (keys.includes(name)) table.set(key, name);
  for (const name of keys) {
    if ([...table.values()].includes(name)) continue;
    const words = name.toLowerCase().split(/[^a-z]+/).filter(Boolean);
    const wanted = [words.at(-1)?.[0], ...words.map((each) => each[0]), ...(words.at(-1) ?? ""), ...words.join(""), ...LETTERS];
    const letter = wanted.find((each) => each && !table.has(each));
    if (letter) table.set(letter, name);
  }
  return table;
}

export const inWords = (name) => (has(`key ${name}`) ? word(`key ${name}`) : name.replaceAll("_", " "));

export class Pad {
  // on: `press` and `release` are called with a key of the world, `unknown` with a key of the keyboard that is not assigned.
  // active: returns whether a world is being played.
  constructor(arrows, others, on, active) {
    this.places = [arrows, others];
    this.on = on;
    this.table = new Map();
    addEventListener("keydown", (event) => active() && this.down(event));
    addEventListener("keyup", (event) => active() && this.up(event));
    addEventListener("blur", () => this.releaseAll());
    this.held = new Set();
  }

  // Show the keys of a world.
  use(keys) {
    this.releaseAll();
    this.table = keyboard(keys);
    const by = (name) => [...this.table.keys()].filter((key) => this.table.get(key) === name);
    const near = keys.filter((name) => name in ARROWS || name === "do");
    this.buttons = new Map(keys.map((name) => [name, this.button(name, by(name))]));
    this.places[0].replaceChildren(...near.map((name) => this.buttons.get(name)));
    this.places[1].replaceChildren(...keys.filter((name) => !near.includes(name)).map((name) => this.buttons.get(name)));
    this.speak();
  }

  button(name, keys) {
    const signs = keys.map((key) => element("kbd", { "aria-hidden": "true" }, SIGNS[key] ?? key.toUpperCase()));
    const button = element("button", { type: "button" }, ...signs, element("span", { className: name in ARROWS ? "hidden" : "" }));
    button.dataset.key = name;
    if (keys.length) button.setAttribute("aria-keyshortcuts", keys.map((key) => (key === " " ? "Space" : key)).join(" "));
    button.addEventListener("pointerdown", (event) => {
      button.setPointerCapture(event.pointerId);
      this.press(name);
    });
    for (const ends of ["pointerup", "pointercancel", "lostpointercapture"]) {
      button.addEventListener(ends, () => this.release(name));
    }
    button.addEventListener("mousedown", (event) => event.preventDefault()); // the keyboard stays with the world
    button.addEventListener("contextmenu", (event) => event.preventDefault()); // a long press
    button.addEventListener("click", (event) => {
      if (event.detail) return; // from a pointer, which was handled already
      this.press(name);
      this.release(name);
    });
    return button;
  }

  // Name the buttons in the language of the page.
  speak() {
    for (const [name, button] of this.buttons ?? []) button.querySelector("span").textContent = inWords(name);
  }

  down(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.(TYPED)) return;
    if (event.target.matches?.("button, a, summary") && [" ", "Enter"].includes(event.key)) return;
    const name = this.table.get(keyOf(event));
    if (name) {
      event.preventDefault(); // nothing scrolls
      if (!event.repeat) this.press(name);
    } else if (!event.repeat && keyOf(event).length === 1) {
      this.on.unknown(keyOf(event));
    }
  }

  up(event) {
    const name = this.table.get(keyOf(event));
    if (name) this.release(name);
  }

  press(name) {
    this.held.add(name);
    this.buttons.get(name)?.classList.add("held");
    this.on.press(name);
  }

  release(name) {
    if (!this.held.delete(name)) return;
    this.buttons.get(name)?.classList.remove("held");
    this.on.release(name);
  }

  releaseAll() {
    for (const name of [...this.held]) this.release(name);
  }
}

// The letter on the key, even if a Chinese input method takes it.
function keyOf(event) {
  const letter = event.key === "Process" && event.code.startsWith("Key") ? event.code.slice(3) : event.key;
  return letter.length === 1 ? letter.toLowerCase() : letter;
}
