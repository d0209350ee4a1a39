// How much moves: a share from 0 to 1, or left to the model.
import { $, element } from "../elements.js";
import { spoken, word } from "../words.js";

let share = null;

const place = $("motion");
const title = element("span"), said = element("output", { htmlFor: "motion-share" });
const slider = element("input", { id: "motion-share", type: "range", min: 0, max: 1, step: 0.05 });
const clear = element("button", { type: "button" });
place.append(element("label", {}, element("span", { className: "row between" }, title, said), slider), clear);

export const values = () => (share === null || place.hidden ? {} : { motion: share });

export function restore({ motion = null }) {
  share = motion;
  speak();
}

export const meet = (model) => { place.hidden = !model.motion; };

function speak() {
  title.textContent = word("motion");
  said.textContent = share === null ? word("as_it_likes") : `${Math.round(100 * share)} %`;
  slider.value = share ?? 0.5;
  slider.classList.toggle("unset", share === null);
  slider.setAttribute("aria-valuetext", said.textContent);
  clear.textContent = word("clear");
  clear.ariaLabel = `${word("clear")}: ${word("motion")}`;
  clear.hidden = share === null;
}

slider.addEventListener("input", () => { share = Number(slider.value); speak(); });
clear.addEventListener("click", () => { share = null; speak(); slider.focus(); });
spoken(speak);
