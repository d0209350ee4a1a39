// A world that is played: keys go out over a socket, frames come back as stills.
import { socket } from "./server.js";

const wait = (milliseconds) => new Promise((then) => setTimeout(then, milliseconds));

export class World {
  // on: `step` is called with each step, `fault` with an error of the server, `end` when the socket closes.
  constructor(model, seed, canvas, on) {
    this.model = model;
    this.seed = seed;
    this.keys = []; // of each step since it began
    this.held = []; // in the order of the presses
    this.sent = "[]";
    this.painted = Promise.resolve();
    this.canvas = canvas;
    this.on = on;
    this.socket = socket(model);
    this.socket.binaryType = "arraybuffer";
    this.socket.addEventListener("open", () => { this.say({ seed }); this.hold(); });
    this.socket.addEventListener("message", ({ data }) => (typeof data === "string" ? this.hear(JSON.parse(data)) : this.show(data)));
    this.socket.addEventListener("close", () => on.end(this));
  }

  say(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  hear(said) {
    if (said.error) return this.on.fault(said.error);
    if (said.hello) {
      this.hello = said.hello;
      this.canvas.width = said.hello.width;
      this.canvas.height = said.hello.height;
      return;
    }
    if (said.step === 0) this.seed = said.seed;
    this.keys = said.step === 0 ? [] : [...this.keys, said.keys];
    this.came = performance.now();
    this.shown = 0;
    this.on.step(said);
  }

  // The frames of a step come together; those after the first are shown in time.
  show(still) {
    const due = this.came + (1000 * this.shown++) / this.hello.fps;
    const coming = createImageBitmap(new Blob([still], { type: `image/${this.hello.format}` }));
    this.painted = this.painted.then(async () => {
      const picture = await coming;
      const early = due - performance.now();
      if (early > 4) await wait(early);
      this.canvas.getContext("2d").drawImage(picture, 0, 0);
      picture.close();
    }).catch(() => {});
  }

  press(key) {
    this.held = [...this.held.filter((each) => each !== key), key];
    this.hold();
  }

  release(key) {
    this.held = this.held.filter((each) => each !== key);
    this.hold();
  }

  // A world takes a limited number of keys at once: the newest ones.
  hold() {
    const keys = this.held.slice(-(this.hello?.keys_at_once ?? 1));
    if (JSON.stringify(keys) === this.sent || this.socket.readyState !== WebSocket.OPEN) return;
    this.sent = JSON.stringify(keys);
    this.say({ keys });
  }
}
