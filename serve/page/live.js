// A live clip: fragments from a socket into a MediaSource. The player stays close to the newest picture.
import { socket } from "./server.js";

export class Live {
  // on: `fault` is called with an error of the server, `words` with how it reads words, `end` when the socket closes.
  constructor({ id, sound }, first, player, on) {
    this.player = player;
    this.on = on;
    this.waiting = [];
    this.buffer = null;
    this.source = new MediaSource();
    const codecs = sound ? "avc1.64001F, mp4a.40.2" : "avc1.64001F";
    this.source.addEventListener("sourceopen", () => {
      this.buffer = this.source.addSourceBuffer(`video/mp4; codecs="${codecs}"`);
      this.buffer.addEventListener("updateend", () => this.feed());
      this.feed();
    });
    this.socket = socket(id);
    this.socket.binaryType = "arraybuffer";
    this.socket.addEventListener("open", () => this.say(first));
    this.socket.addEventListener("message", ({ data }) => this.hear(data));
    this.socket.addEventListener("close", () => on.end(this));
    player.src = URL.createObjectURL(this.source);
  }

  say(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  hear(data) {
    if (typeof data === "string") {
      const told = JSON.parse(data);
      return told.error ? this.on.fault(told.error) : this.on.words(told);
    }
    if (data.byteLength) this.waiting.push(data);
    this.feed();
  }

  feed() {
    const { buffer, player, waiting } = this;
    if (!buffer || buffer.updating || this.source.readyState !== "open") return;
    const old = player.currentTime - 10;
    if (buffer.buffered.length && old > buffer.buffered.start(0) + 5) return buffer.remove(0, old);
    if (waiting.length) buffer.appendBuffer(waiting.shift());
    const end = buffer.buffered.length ? buffer.buffered.end(0) : 0;
    if (player.paused && end > 0.5) player.play().catch(() => {});
    if (end - player.currentTime > 3) player.currentTime = end - 0.5;
  }
}
