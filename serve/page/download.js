// What a clip is downloaded as: a film or an animation, and how large. Each pixel becomes a block, so that it stays hard.
import { element } from "./elements.js";
import { address } from "./server.js";
import { spoken, word } from "./words.js";

const FORMATS = ["mp4", "gif", "webp"];
const USUAL = 576, MOST = 1152; // pixels of the longer side

export class Download {
  constructor(place) {
    this.format = element("select", {}, ...FORMATS.map((each) => new Option(each, each)));
    this.size = element("select");
    this.link = element("a", { className: "button main", download: "" });
    for (const each of [this.format, this.size]) each.addEventListener("change", () => this.tell());
    place.classList.add("download");
    place.append(this.format, this.size, this.link);
    spoken(() => {
      this.format.ariaLabel = word("format");
      this.size.ariaLabel = word("size");
      this.link.textContent = word("download");
    });
  }

  offer(job) {
    if (job.id === this.job?.id) return;
    this.job = job;
    const [width, height] = job.size.split("x").map(Number), longer = Math.max(width, height);
    const scales = [1, 2, 4, 8, 12, 16].filter((each) => each === 1 || each * longer <= MOST);
    this.size.replaceChildren(...scales.map((each) => new Option(`${each * width}×${each * height}`, each)));
    this.size.value = scales.findLast((each) => each === 1 || each * longer <= USUAL);
    this.tell();
  }

  tell() {
    this.link.href = `${address(this.job.id, "content")}?format=${this.format.value}&scale=${this.size.value}`;
  }
}
