// The page: asks for clips and shows how they come. It talks to the routes under /v1 and to nothing else.
import { WORDS } from "./words.js";

const $ = (id) => document.getElementById(id);
let language = localStorage.getItem("language") ?? (navigator.language.startsWith("zh") ? "zh" : "en");
let shown = null; // the job on the stage
let before = null; // the job that was there before it, for thumbs
let events = null;
let live = null;
let models = [];

const word = (name) => WORDS[language][name] ?? name;

function speak() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const each of document.querySelectorAll("[data-words]")) each.textContent = word(each.dataset.words);
  for (const each of document.querySelectorAll("[data-hint]")) each.placeholder = word(each.dataset.hint);
  for (const each of document.querySelectorAll("[data-label]")) each.ariaLabel = word(each.dataset.label);
  if (isLive()) $("make").textContent = word(live ? "say" : "play");
}

const isLive = () => document.body.classList.contains("live");
const tell = (message) => { $("message").textContent = message ?? ""; };

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error(word("lost"));
  }
  if (answer.status === 401) {
    const key = prompt(word("key"));
    if (key) {
      document.cookie = `reelm-key=${encodeURIComponent(key)}; path=/; SameSite=Strict`;
      return ask(path, options);
    }
  }
  if (!answer.ok) throw new Error((await answer.json().catch(() => null))?.error?.message ?? answer.statusText);
  return answer.json();
}

const address = (id, what) => `/v1/videos/${encodeURIComponent(id)}/${what}`;

async function make(seed) {
  tell();
  const form = new FormData($("ask"));
  for (const [name, value] of [...form]) {
    if (value === "" || (value instanceof File && !value.size)) form.delete(name);
  }
  if (seed !== undefined) form.set("seed", seed);
  try {
    show(await ask("/v1/videos", { method: "POST", body: form }));
  } catch (error) {
    tell(error.message);
  }
}

function show(job) {
  if (shown && shown.id !== job.id && shown.prompt === job.prompt) before = shown;
  shown = job;
  events?.close();
  $("stage").hidden = false;
  $("preview").hidden = $("video").hidden = $("after").hidden = true;
  $("up").ariaPressed = $("down").ariaPressed = "false";
  video().removeAttribute("src");
  report(job);
  if (job.status === "completed") return finish(job);
  events = new EventSource(address(job.id, "events"));
  events.addEventListener("status", (event) => {
    report(JSON.parse(event.data));
    if (shown.status === "completed") finish(shown);
    if (shown.status === "completed" || shown.status === "failed") events.close();
  });
  events.addEventListener("preview", (event) => {
    $("preview").src = JSON.parse(event.data).image;
    $("preview").hidden = !$("video").hidden;
  });
  events.addEventListener("deleted", () => { events.close(); $("status").textContent = word("deleted"); });
}

function report(job) {
  shown = job;
  $("progress").hidden = job.status === "completed" || job.status === "failed";
  $("progress").value = job.progress;
  $("stop").hidden = $("progress").hidden;
  const said = [word(job.status), `${job.prompt}`, `${word("seed")} ${job.seed}`].filter(Boolean).join(" · ");
  $("status").textContent = said;
  if (job.status === "failed") tell(job.error?.message);
}

const video = () => $("video");

function finish(job) {
  $("preview").hidden = true;
  video().hidden = $("after").hidden = false;
  video().loop = true;
  video().src = address(job.id, "content");
  video().play().catch(() => {});
  $("download").href = address(job.id, "content");
  $("download").download = `${job.prompt.slice(0, 60) || job.id}.mp4`;
  list();
}

async function rate(rating) {
  if (!shown) return;
  const over = before && before.id !== shown.id ? { over: before.id } : {};
  try {
    await ask(address(shown.id, "feedback"), { method: "POST", body: JSON.stringify({ rating, ...over }) });
    $("up").ariaPressed = String(rating === 1);
    $("down").ariaPressed = String(rating === -1);
  } catch (error) {
    tell(error.message);
  }
}

async function list() {
  const { data } = await ask("/v1/videos?limit=24");
  $("history").replaceChildren(...data.filter((job) => job.status === "completed").map((job) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const clip = document.createElement("video");
    const words = document.createElement("span");
    button.type = "button";
    clip.muted = clip.playsInline = clip.loop = true;
    clip.preload = "metadata";
    clip.src = address(job.id, "content");
    words.textContent = job.prompt || job.id;
    button.append(clip, words);
    button.addEventListener("mouseenter", () => clip.play().catch(() => {}));
    button.addEventListener("mouseleave", () => clip.pause());
    button.addEventListener("click", () => { $("prompt").value = job.prompt; show(job); scrollTo(0, 0); });
    item.append(button);
    return item;
  }));
}

// Live: fragments from a socket into a MediaSource. The player stays close to the newest picture.
function play() {
  tell();
  const model = models.find((each) => each.id === $("model").value);
  const codecs = model.sound ? "avc1.64001F, mp4a.40.2" : "avc1.64001F";
  const socket = new WebSocket(`${location.origin.replace("http", "ws")}/v1/live?model=${encodeURIComponent(model.id)}`);
  const source = new MediaSource();
  const waiting = [];
  let buffer = null;
  const feed = () => {
    if (!buffer || buffer.updating || source.readyState !== "open") return;
    const old = video().currentTime - 10;
    if (buffer.buffered.length && old > buffer.buffered.start(0) + 5) return buffer.remove(0, old);
    if (waiting.length) buffer.appendBuffer(waiting.shift());
    const end = buffer.buffered.length ? buffer.buffered.end(0) : 0;
    if (video().paused && end > 0.5) video().play().catch(() => {});
    if (end - video().currentTime > 3) video().currentTime = end - 0.5;
  };
  source.addEventListener("sourceopen", () => {
    buffer = source.addSourceBuffer(`video/mp4; codecs="${codecs}"`);
    buffer.addEventListener("updateend", feed);
    feed();
  });
  socket.binaryType = "arraybuffer";
  socket.addEventListener("open", () => {
    const seed = $("seed").value === "" ? {} : { seed: Number($("seed").value) };
    socket.send(JSON.stringify({ prompt: $("prompt").value, ...seed }));
  });
  socket.addEventListener("message", (event) => {
    if (typeof event.data === "string") return tell(JSON.parse(event.data).error?.message);
    if (event.data.byteLength) waiting.push(event.data);
    feed();
  });
  socket.addEventListener("close", () => { if (live?.socket === socket) end(); });
  $("stage").hidden = $("stop").hidden = false;
  $("preview").hidden = $("progress").hidden = true;
  video().hidden = false;
  video().loop = false;
  video().src = URL.createObjectURL(source);
  $("status").textContent = word("playing");
  live = { socket };
  speak();
}

function end() {
  live?.socket.close();
  live = null;
  $("stop").hidden = true;
  $("status").textContent = word("ended");
  speak();
}

function view(name) {
  if (live) end();
  events?.close();
  document.body.classList.toggle("live", name === "live");
  $("tab-clips").ariaPressed = String(name === "clips");
  $("tab-live").ariaPressed = String(name === "live");
  $("stage").hidden = true;
  $("make").dataset.words = name === "live" ? "play" : "make";
  video().removeAttribute("src");
  tell();
  speak();
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!isLive()) make();
  else if (live) live.socket.send(JSON.stringify({ prompt: $("prompt").value, cut: $("cut").checked }));
  else play();
});
$("prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); $("ask").requestSubmit(); }
});
$("stop").addEventListener("click", () => {
  if (isLive()) end();
  else if (shown) ask(address(shown.id, "cancel"), { method: "POST" }).catch((error) => tell(error.message));
});
$("again").addEventListener("click", () => {
  $("prompt").value = shown.prompt;
  make(Math.floor(Math.random() * 2 ** 32));
});
$("up").addEventListener("click", () => rate(1));
$("down").addEventListener("click", () => rate(-1));
$("tab-clips").addEventListener("click", () => view("clips"));
$("tab-live").addEventListener("click", () => view("live"));
$("language").addEventListener("change", () => {
  language = $("language").value;
  localStorage.setItem("language", language);
  speak();
});

$("language").value = language;
speak();
try {
  models = (await ask("/v1/models")).data;
  $("model").replaceChildren(...models.map((model) => new Option(model.id, model.id)));
  $("frames").value = models[0].num_frames;
  await list();
} catch (error) {
  tell(error.message);
}
