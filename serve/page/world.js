// A world that is played: keys go out over a socket, frames come back as stills.
import { socket } from "./server.js";

const wait = (milliseconds) => new Promise((then) => setTimeout(then, milliseconds));

export class World {
  // on: `begun` is called with the first step, `step` with each later one, `recorded` with the job of a recording,
  // `fault` with an error of the server, `end` when the socket closes.
  constructor(model, canvas, on) {
    Object.assign(this, { model, canvas, on, seed: 0 });
    this.keys = []; // of each step since it began
    this.replay = []; // keys of its first steps, which nobody presses
    this.held = []; // in the order of the presses
    this.sent = "[]";
    this.recording = false;
    this.hidden = true; // whether it is not decided yet with which seed it begins
    this.ended = this.left = false;
    this.painted = Promise.resolve();
    this.socket = socket(model);
    this.socket.binaryType = "arraybuffer";
    this.socket.addEventListener("open", () => { this.say(this.first); this.hold(); });
    this.socket.addEventListener("message", ({ data }) => (typeof data === "string" ? this.hear(JSON.parse(data)) : this.show(data)));
    this.socket.addEventListener("close", () => { this.ended = true; on.end(this); });
  }

  say(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  // Begin, or begin anew. For `search` milliseconds other seeds are tried until the player holds nothing.
  begin(seed, replay, search) {
    this.until = performance.now() + search;
    this.replay = replay;
    this.hidden = true;
    this.recording = false; // the server keeps what was recorded
    this.first = replay.length ? { seed, replay } : { seed };
    this.say(this.first);
  }

  leave() {
    this.left = this.ended = true;
    this.recording = false;
    this.socket.close();
  }

  record() {
    this.recording = !this.recording;
    this.say({ record: this.recording });
  }

  hear(said) {
    if (said.error) return this.on.fault(said.error);
    if (said.recorded) {
      this.recording = false;
      return this.on.recorded(said.recorded);
    }
    if (said.hello) {
      this.hello = said.hello;
      this.canvas.width = said.hello.width;
      this.canvas.height = said.hello.height;
      return;
    }
    this.came = performance.now();
    this.shown = 0;
    if (said.step === 0) return this.found(said);
    if (this.hidden) return; // of a start that was not taken
    this.keys.push(said.keys);
    this.on.step(said);
  }

  found(said) {
    if (said.seed !== this.first.seed) return; // asked for before
    if (said.empty_handed === false && performance.now() < this.until) {
      this.first = { seed: Math.floor(Math.random() * 2 ** 32) };
      return this.say(this.first);
    }
    Object.assign(this, { seed: said.seed, keys: [], hidden: false });
    this.on.begun(said);
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
