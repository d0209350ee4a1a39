// What a model understands, as chips to click: words of its captions, or pictures that it knows by name.
import { $, arrange, element } from "./elements.js";
import { language, spoken, word } from "./words.js";

const MOST = 48; // pictures at once
// Groups of words, of which a caption has one each, in the order of a caption, with their Chinese names.
const GROUPS = [
  { red: "红色", green: "绿色", blue: "蓝色", yellow: "黄色", magenta: "品红", cyan: "青色", white: "白色" },
  { zero: "零", one: "一", two: "二", three: "三", four: "四", five: "五", six: "六", seven: "七", eight: "八", nine: "九", "<1>": "<1>", "<2>": "<2>", "<3>": "<3>", "<4>": "<4>" },
  { left: "向左", right: "向右", up: "向上", down: "向下" },
  { slowly: "慢慢" },
];
const ENDINGS = {
  black: "黑色背景", grey: "灰色背景", red: "红色背景", orange: "橙色背景", yellow: "黄色背景", green: "绿色背景",
  blue: "蓝色背景", purple: "紫色背景", pink: "粉色背景", brown: "棕色背景",
  "light skin tone": "较浅肤色", "medium-light skin tone": "中等-浅肤色", "medium skin tone": "中等肤色",
  "medium-dark skin tone": "中等-深肤色", "dark skin tone": "较深肤色",
};

let names = null; // of pictures: caption -> [emoji, Chinese name, more Chinese words]
let model = null;

const prompt = () => $("prompt");
const inChinese = () => language === "zh" && model.languages.includes("zh");

// Return the words of each group in a prompt, in either language.
function wordsOf(text) {
  const english = text.toLowerCase().match(/<[1-4]>|[^\W_]+/g) ?? [];
  const rest = text.replaceAll("一个", ""); // it is not a digit
  const chinese = GROUPS.flatMap((group) => Object.keys(group).filter((each) => rest.includes(group[each])));
  return [...english, ...chinese];
}

// Return a sentence of the chosen words, at most one of each group.
function sentence(picked) {
  if (!inChinese()) return inEnglish(picked);
  const [colour, digit, direction, pace] = picked.map((each, at) => GROUPS[at][each]);
  const thing = [colour && `${colour}的`, digit ?? "数字"].join("");
  if (direction || pace) return [thing, pace, direction, "移动"].join("");
  return colour || digit ? thing : "";
}

function inEnglish([colour, digit, direction, pace]) {
  const thing = ["a", colour, digit ?? (colour ? "digit" : "")].filter(Boolean).join(" ");
  const moves = direction ? `moves ${direction}` : pace ? "moves" : "";
  return [thing === "a" ? (moves ? "a digit" : "") : thing, moves, pace].filter(Boolean).join(" ");
}

function toggle(chosen) {
  const said = wordsOf(prompt().value);
  const picked = GROUPS.map((group) => said.find((each) => each in group));
  const at = GROUPS.findIndex((group) => chosen in group);
  picked[at] = picked[at] === chosen ? undefined : chosen;
  write(sentence(picked));
}

function write(words) {
  prompt().value = words;
  prompt().dispatchEvent(new Event("input"));
}

const chip = (label, title, pressed, act) => {
  const made = element("button", { type: "button", className: "chip", title, ariaPressed: String(pressed) }, label);
  made.addEventListener("click", act);
  return made;
};

function ofWords() {
  const said = wordsOf(prompt().value);
  const [colours, digits, ...moves] = GROUPS.map((group) => Object.keys(group).filter((each) => model.words.includes(each)));
  return [colours, digits, moves.flat()].map((row) => row.map((each) => {
    const chinese = GROUPS.find((group) => each in group)[each];
    return chip(language === "zh" ? chinese : each, each, said.includes(each), () => toggle(each));
  }));
}

// Return the words without the endings that any picture may have, and those endings.
function parted(text) {
  const endings = [];
  for (;;) {
    const found = model.endings.find((each) => text.endsWith(each));
    if (!found) return [text, endings];
    text = text.slice(0, -found.length);
    endings.unshift(found);
  }
}

// Add or remove an ending; there is only one of each kind, such as " on blue" and " on red".
function end(said, endings, chosen) {
  const others = endings.filter((each) => each.slice(0, 2) !== chosen.slice(0, 2));
  const all = endings.includes(chosen) ? others : [...others, chosen];
  write(said + all.sort((one, two) => two.startsWith(":") - one.startsWith(":")).join("")); // the skin tone comes first
}

function ofPictures() {
  const wanted = $("search").value.trim().toLowerCase(), [said, ended] = parted(prompt().value.trim());
  const fits = (caption) => [caption, ...(names?.[caption]?.slice(1) ?? [])].some((each) => each.includes(wanted));
  const found = model.captions.filter(fits);
  const rank = (caption) => Number(caption !== wanted && names?.[caption]?.[1] !== wanted);
  if (wanted) found.sort((one, two) => rank(one) - rank(two)); // an exact name comes first
  const pictures = found.slice(0, MOST).map((caption) => {
    const [picture, chinese] = names?.[caption] ?? [];
    const label = language === "zh" ? chinese ?? caption : caption;
    return chip(picture ? `${picture} ${label}` : label, caption, caption === said.toLowerCase(), () => write(caption));
  });
  const hint = found.length > MOST ? word("more", { n: found.length - MOST }) : found.length ? "" : word("nothing");
  if (hint) pictures.push(element("span", { className: "quiet" }, hint));
  const endings = model.captions.includes(said.toLowerCase()) ? model.endings.map((ending) => {
    const name = ending.replace(/^ on |^: /, "");
    const label = language === "zh" ? ENDINGS[name] ?? name : ending.replace(/^[: ]+/, "");
    return chip(label, ending, ended.includes(ending), () => end(said, ended, ending));
  }) : [];
  return [pictures, endings];
}

function draw() {
  if (!model) return;
  const rows = model.captions.length ? ofPictures() : ofWords();
  $("chips").hidden = !rows.some((row) => row.length);
  const focused = $("groups").contains(document.activeElement) ? document.activeElement.title : null;
  arrange($("groups"), rows.filter((row) => row.length).map((row) => element("div", { className: "chip-row" }, ...row)));
  if (focused) [...$("groups").querySelectorAll("button")].find((each) => each.title === focused)?.focus();
}

// Show what another model understands.
export async function understand(chosen) {
  model = chosen;
  $("searched").hidden = !model.captions.length;
  $("search").value = "";
  draw();
  if (model.captions.length && !names) {
    names = await fetch("emoji.json").then((answer) => answer.json()).catch(() => ({}));
    draw();
  }
}

// Return example words.
export function example({ words, captions, languages }) {
  const seven = language === "zh" && languages.includes("zh") ? "红色的七向右移动" : "a red seven moves right";
  return captions.find((each) => each === "rocket") ?? captions[0] ?? (words.includes("seven") ? seven : words[0] ?? "");
}

$("search").addEventListener("input", draw);
$("search").addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
prompt().addEventListener("input", draw);
spoken(draw);
