// The page: asks for clips and shows how they come. It talks to the routes under v1/ and to nothing else. Addresses are
// relative to the page, so that a proxy may put a prefix before them all.
import { Pad, inWords } from "./pad.js";
import { address, ask, made, ready } from "./server.js";
import { language, speakIn, word } from "./words.js";
import { World } from "./world.js";

const $ = (id) => document.getElementById(id);
let shown = null; // the job on the stage
let beside = null; // the job that it is compared with: the same words with another seed
let events = null;
let live = null; // what plays
let world = null; // the newest world, also when it has ended
let models = [];

function speak() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const each of document.querySelectorAll("[data-words]")) each.textContent = word(each.dataset.words);
  for (const each of document.querySelectorAll("[data-hint]")) each.placeholder = word(each.dataset.hint);
  for (const each of document.querySelectorAll("[data-label]")) each.ariaLabel = word(each.dataset.label);
  $("history").dataset.empty = word("empty");
  tellLength();
  if (isLive()) $("make").textContent = word(!live ? "play" : isWorld() ? "anew" : "say");
}

const isLive = () => document.body.classList.contains("live");
const isWorld = () => document.body.classList.contains("world");
const model = () => models.find((each) => each.id === $("model").value);

function tellLength() {
  const seconds = Number($("frames").value) / (model()?.fps ?? 1);
  $("length").textContent = model() && seconds ? `(${seconds.toFixed(1)} ${word("seconds")})` : "";
}

const tell = (message) => { $("message").textContent = message ?? ""; };

async function make(seed, compared) {
  tell();
  const form = new FormData($("ask"));
  for (const [name, value] of [...form]) {
    if (value === "" || (value instanceof File && !value.size)) form.delete(name);
  }
  if (seed !== undefined) form.set("seed", seed);
  try {
    show(await ask("v1/videos", { method: "POST", body: form }), compared);
  } catch (error) {
    tell(error.message);
  }
}

function show(job, compared = null) {
  shown = job;
  beside = compared;
  events?.close();
  $("stage").hidden = false;
  $("preview").hidden = video().hidden = $("after").hidden = true;
  $("preview").removeAttribute("src");
  video().removeAttribute("src");
  caption($("one"), null);
  caption($("other"), beside);
  $("other").hidden = !beside;
  if (beside) $("other").querySelector("video").src = address(beside.id, "content");
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
    $("preview").hidden = !video().hidden;
  });
  events.addEventListener("deleted", () => { events.close(); $("status").textContent = word("deleted"); });
}

// Under a clip: its seed and the thumbs.
function caption(figure, job) {
  figure.querySelector("figcaption").hidden = !job;
  figure.querySelector("figcaption span").textContent = job ? `${word("seed")} ${job.seed}` : "";
  for (const thumb of figure.querySelectorAll("figcaption button")) thumb.ariaPressed = "false";
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

// Those who asked their system for less motion start clips themselves.
const start = (player) => { if (!matchMedia("(prefers-reduced-motion: reduce)").matches) player.play().catch(() => {}); };

function finish(job) {
  $("preview").hidden = true;
  video().hidden = $("after").hidden = false;
  video().loop = true;
  video().ariaLabel = job.prompt;
  video().src = address(job.id, "content");
  start(video());
  caption($("one"), job);
  if (beside) start($("other").querySelector("video"));
  $("download").href = address(job.id, "content");
  $("download").download = `${job.prompt.slice(0, 60) || job.id}.mp4`;
  list().catch((error) => tell(error.message));
}

async function rate(figure, job, over, rating) {
  try {
    const body = JSON.stringify({ rating, ...(over ? { over: over.id } : {}) });
    await ask(address(job.id, "feedback"), { method: "POST", body });
    figure.querySelector(".up").ariaPressed = String(rating === 1);
    figure.querySelector(".down").ariaPressed = String(rating === -1);
  } catch (error) {
    tell(error.message);
  }
}

async function list() {
  const { data } = await ask("v1/videos?limit=24&status=completed");
  const [under_way] = (await ask("v1/videos?limit=1&status=queued,in_progress")).data;
  if (under_way && !shown && !isLive()) show(under_way); // the page was loaded anew meanwhile
  $("history").replaceChildren(...data.map((job) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const clip = document.createElement("video");
    const words = document.createElement("span");
    button.type = "button";
    clip.muted = clip.playsInline = clip.loop = true;
    clip.preload = "metadata";
    clip.ariaHidden = "true";
    clip.tabIndex = -1;
    button.title = `${job.prompt} · ${word("seed")} ${job.seed}`;
    clip.src = address(job.id, "content");
    words.textContent = job.prompt || job.id;
    button.append(clip, words);
    for (const name of ["mouseenter", "focus"]) button.addEventListener(name, () => start(clip));
    for (const name of ["mouseleave", "blur"]) button.addEventListener(name, () => clip.pause());
    button.addEventListener("click", () => { $("prompt").value = job.prompt; show(job); scrollTo(0, 0); });
    item.append(button);
    return item;
  }));
}

// Live: fragments from a socket into a MediaSource. The player stays close to the newest picture.
function play() {
  tell();
  if (!window.MediaSource) return tell(word("unplayable"));
  const { id, sound } = model();
  const codecs = sound ? "avc1.64001F, mp4a.40.2" : "avc1.64001F";
  const socket = new WebSocket(new URL(`v1/live?model=${encodeURIComponent(id)}`, document.baseURI).href.replace("http", "ws"));
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
  $("preview").hidden = $("progress").hidden = $("other").hidden = true;
  video().hidden = false;
  video().loop = false;
  video().src = URL.createObjectURL(source);
  $("status").textContent = word("playing");
  live = { socket };
  speak();
}

// A world: its keys go to the server, and what was played becomes a clip again.
const another = () => Math.floor(Math.random() * 2 ** 32);
const pad = new Pad($("arrows"), $("others"), {
  press: (key) => { tell(); world?.press(key); $("pressed").textContent = inWords(key); },
  release: (key) => world?.release(key),
  unknown: (key) => { $("pressed").textContent = `${word("unknown")} ${key}`; },
}, () => isWorld() && live !== null);

async function enter(seed) {
  tell();
  $("stage").hidden = $("stop").hidden = false;
  $("progress").hidden = $("recording").hidden = true;
  $("screen").focus();
  $("status").textContent = word("warming");
  await ready();
  if (!isWorld()) return; // another view was chosen meanwhile
  $("status").textContent = word("steered");
  if (live) return live.say({ seed });
  const fault = (error) => tell(error.message);
  live = world = new World(model().id, seed, $("screen"), { step: count, fault, end: (one) => { if (live === one) end(); } });
  speak();
}

function count({ step, keys }) {
  $("counter").textContent = `${word("frame")} ${step} · ${word("seed")} ${world.seed}`;
  $("record").disabled = !step;
  if (keys?.length) $("pressed").textContent = keys.map(inWords).join(", ");
}

async function record() {
  const { model, seed, keys } = world;
  const body = JSON.stringify({ model, seed, keys });
  $("record").disabled = true;
  $("recording").hidden = true;
  try {
    $("status").textContent = word("recording");
    const job = await made(await ask("v1/videos", { method: "POST", headers: { "Content-Type": "application/json" }, body }));
    $("recording").href = address(job.id, "content");
    $("recording").download = `${model}-${seed}.mp4`;
    $("recording").hidden = false;
    $("status").textContent = word("recorded");
    await list();
  } catch (error) {
    tell(error.message);
  }
  $("record").disabled = !world;
}

function end() {
  live?.socket.close();
  live = null;
  pad.releaseAll();
  $("stop").hidden = true;
  $("status").textContent = word("ended");
  speak();
}

function view(name) {
  if (live) end();
  events?.close();
  document.body.classList.toggle("live", name === "live");
  meet();
  $("tab-clips").ariaPressed = String(name === "clips");
  $("tab-live").ariaPressed = String(name === "live");
  $("stage").hidden = true;
  $("make").dataset.words = name === "live" ? "play" : "make";
  video().removeAttribute("src");
  tell();
  speak();
}

// Show what the model that is chosen can be steered by.
function meet() {
  const keys = isLive() ? model()?.keys ?? [] : [];
  document.body.classList.toggle("world", keys.length > 0);
  pad.use(keys);
  world = null;
  $("record").disabled = $("recording").hidden = true;
  $("pressed").textContent = $("counter").textContent = "";
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!isLive()) make();
  else if (isWorld()) enter($("seed").value === "" ? another() : Number($("seed").value));
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
  if (models.some((each) => each.id === shown.model)) $("model").value = shown.model;
  make(another(), shown);
});
$("delete").addEventListener("click", async () => {
  try {
    await ask(`v1/videos/${encodeURIComponent(shown.id)}`, { method: "DELETE" });
    $("stage").hidden = true;
    shown = beside = null;
    await list();
    $("prompt").focus();
  } catch (error) {
    tell(error.message);
  }
});
for (const [name, rating] of [["up", 1], ["down", -1]]) {
  $("one").querySelector(`.${name}`).addEventListener("click", () => rate($("one"), shown, beside, rating));
  $("other").querySelector(`.${name}`).addEventListener("click", () => rate($("other"), beside, shown, rating));
}
$("frames").addEventListener("input", tellLength);
$("model").addEventListener("change", () => {
  $("frames").value = model().num_frames;
  if (isLive()) view("live");
  tellLength();
});
$("anew").addEventListener("click", () => enter(another()));
$("record").addEventListener("click", record);
$("tab-clips").addEventListener("click", () => view("clips"));
$("tab-live").addEventListener("click", () => view("live"));
$("language").addEventListener("change", () => {
  speakIn($("language").value);
  speak();
});

$("language").value = language;
speak();
try {
  models = (await ask("v1/models")).data;
  $("model").replaceChildren(...models.map((model) => new Option(model.id, model.id)));
  $("frames").value = models[0].num_frames;
  tellLength();
  if (location.hash === "#live") view("live");
  if (isWorld()) enter(another());
  await list();
} catch (error) {
  tell(error.message);
}
