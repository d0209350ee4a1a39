// The page: asks for clips and shows their progress. It uses only the routes under v1/. Addresses are relative to the
// page, so that a proxy may put a prefix before all of them.
import * as asked from "./ask.js";
import { $ } from "./elements.js";
import * as game from "./game.js";
import * as given from "./given.js";
import * as older from "./history.js";
import * as jobs from "./jobs.js";
import { said } from "./said.js";
import { address, ask, file, isLost, health, onConnection } from "./server.js";
import * as stage from "./stage.js";
import * as steer from "./steer.js";
import * as takes from "./takes.js";
import { language, speakIn, spoken, word } from "./words.js";

const LOOK = 1000; // milliseconds between looks at the jobs of all tabs
const HISTORY_LOOKS = 3; // one of so many looks at the history, too

const others = "BroadcastChannel" in window ? new BroadcastChannel("reelm") : null; // the other tabs, told to look at once
const mine = new Set(); // ids of the jobs that were asked for here
let sending = false;
let fault = null;
let looks = 0;

function tell(error = null) {
  fault = error;
  $("message").textContent = error ? said(error.message) : "";
}

async function make(forced = {}, compared = null) {
  if (sending) return;
  sending = true;
  tell();
  $("make").ariaDisabled = "true";
  $("make").textContent = word("sending");
  try {
    const made = [];
    for (const body of asked.bodies(forced)) {
      const job = await ask("v1/videos", { method: "POST", body });
      mine.add(job.id);
      if (made.push(job) === 1) stage.show(job, compared, { focus: forced.seed !== undefined });
    }
    takes.begin(made);
    takes.mark(stage.current()?.id);
  } catch (error) {
    tell(error);
  }
  sending = false;
  $("make").ariaDisabled = "false";
  $("make").textContent = word($("make").dataset.words);
  look();
  others?.postMessage("look");
}

// Look at the jobs, and sometimes at the history; the banner shows errors.
async function look() {
  try {
    const under_way = await jobs.look(on);
    if (looks++ % HISTORY_LOOKS === 0) await lookBack();
    if (under_way.length && !stage.current() && !steer.isLive()) stage.show(under_way[0]); // the page was reloaded
    await takes.look(under_way);
    const found = asked.isWarm ? null : await health();
    if (found?.warm) asked.warm(found);
  } catch { /* the next look may go well */ }
}

async function lookBack() {
  await older.look();
  asked.estimate(older.pace);
}

async function keepLooking() {
  await look();
  setTimeout(keepLooking, LOOK);
}

const on = {
  fault: tell,
  async show(id) {
    try {
      const job = await ask(address(id));
      if (steer.isLive()) view("clips");
      stage.show(job, null, { focus: true });
    } catch (error) {
      tell(error);
    }
  },
  // Only the page that asked for a clip shows that it failed.
  async ended(ids) {
    lookBack().catch(() => {});
    for (const id of ids.filter((each) => mine.delete(each) && each !== stage.current()?.id)) {
      const job = await ask(address(id)).catch(() => null);
      if (job?.status === "failed" && job.error.code !== "cancelled") tell(job.error);
    }
  },
};

function view(name) {
  if (steer.plays()) steer.end();
  stage.close();
  document.body.classList.toggle("live", name === "live");
  asked.meet();
  steer.meet();
  $("tab-clips").ariaPressed = String(name === "clips");
  $("tab-live").ariaPressed = String(name === "live");
  $("make").dataset.words = name === "live" ? "play" : "make";
  $("make").textContent = word($("make").dataset.words);
  stage.video().removeAttribute("src");
  stage.hear({ warnings: [] });
  tell();
  $("stage").hidden = $("stop").hidden = true;
  if (name === "clips" && stage.current()) stage.show(stage.current(), stage.compared());
}

async function cancel() {
  if (steer.isLive()) return steer.end();
  try {
    await jobs.cancel(stage.current());
  } catch (error) {
    tell(error);
  }
}

function remove() {
  const job = stage.current();
  stage.clear();
  older.remove(job, { fault: tell, back: (same) => stage.show(same, null, { focus: true }) });
  $("undo").focus();
}

// Put something of the clip on the stage into the form, whose next field gets the focus.
async function reuse(put, field = "prompt") {
  try {
    await put(stage.current());
    $("seed").value = "";
    $(field).focus();
    $(field === "prompt" ? "given" : "retake").scrollIntoView({ block: "nearest" });
  } catch (error) {
    tell(error);
  }
}

const film = (job) => file(address(job.id, "content"), `${jobs.titled(job).slice(0, 40)}.mp4`, "video/mp4");

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  if (steer.isLive()) steer.go();
  else make();
});
// An input method commits its letters by Enter, too: Safari only tells by the key code 229.
$("prompt").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  $("ask").requestSubmit();
});
$("stop").addEventListener("click", cancel);
$("again").addEventListener("click", async () => {
  const job = stage.current();
  await asked.restore(job).catch(tell);
  $("seed").value = "";
  make({ seed: asked.chooseSeed(), count: 1 }, job);
});
$("continue").addEventListener("click", () => reuse(async (job) => asked.goOn(job, await film(job))));
$("retake-this").addEventListener("click", () => reuse(async (job) => asked.makeAnew(job, await film(job)), "from"));
$("as-first").addEventListener("click", () => reuse(async () => given.give("image", await stage.picture())));
$("play-on").addEventListener("click", () => {
  const { seed, settings } = stage.current();
  view("live");
  steer.go({ seed, replay: settings.keys });
});
$("make-four").addEventListener("click", () => make({ count: 4 }));
takes.open((job) => stage.show(job, null, { focus: false }));
$("delete").addEventListener("click", remove);
$("model").addEventListener("change", () => {
  const played = steer.plays();
  asked.meet();
  const isWorld = asked.model().keys.length > 0;
  if (steer.isLive() || isWorld) view("live");
  if (played || isWorld) steer.go();
});
$("to-world").addEventListener("click", () => { view("live"); steer.go(); });
for (const name of ["clips", "live"]) {
  $(`tab-${name}`).addEventListener("click", () => {
    history.replaceState(null, "", `#${name}`); // where a reload leads
    view(name);
    if (game.isWorld()) steer.go();
  });
}
$("language").addEventListener("change", () => speakIn($("language").value));

onConnection((lost) => {
  $("lost").hidden = !lost;
  if (lost) return;
  stage.again();
  look().then(() => steer.resume());
});
// A browser keeps few connections to a server, so hidden tabs close theirs.
document.addEventListener("visibilitychange", () => (document.hidden ? stage.close() : stage.again()));
others?.addEventListener("message", () => { looks = 0; look(); });
stage.use({ fault: tell, retakes: (job) => asked.knows(job, "retake"), ended: () => { looks = 0; look(); others?.postMessage("look"); } });
steer.use({ tell, recorded: () => { looks = 0; look(); } });
older.open((job) => {
  stage.show(job, null, { focus: true });
  asked.restore(job).catch(tell);
});
jobs.watch(on);
spoken(() => { $("lost").textContent = word("lost"); tell(fault); });

$("language").value = language;

// Return whether the server told its models.
async function begin() {
  try {
    asked.offer((await ask("v1/models")).data);
    asked.warm(await health());
  } catch (error) {
    tell(isLost() ? null : error);
    return !isLost();
  }
  if (!matchMedia("(pointer: coarse)").matches) $("prompt").focus();
  const link = game.linked();
  if (link && !asked.choose(link.model)) tell({ message: word("no_world", { words: link.model }) });
  if (location.hash === "#live" || link || (!location.hash && asked.model().keys.length)) view("live");
  if (game.isWorld()) steer.go(link ?? {});
  return true;
}

while (!(await begin())) await new Promise((then) => setTimeout(then, LOOK));
keepLooking();
