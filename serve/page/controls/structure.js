// The kind of a control clip: what of it the pictures follow. The file itself is one of those in given.js.
import { $ } from "../elements.js";
import * as given from "../given.js";
import { spoken, word } from "../words.js";

let kinds = [];

export const values = () => (given.given("control") && kinds.length ? { control_kind: $("control-kind").value } : {});

export function restore({ control_kind = kinds[0] }) {
  if (control_kind) $("control-kind").value = control_kind;
}

export function meet(model) {
  kinds = model.control_kinds;
  $("structure").hidden = !kinds.length;
  if (!kinds.length && given.given("control")) given.give("control", null);
  speak();
}

function speak() {
  const before = $("control-kind").value;
  $("control-kind").replaceChildren(...kinds.map((each) => new Option(word(`kind ${each}`), each)));
  if (kinds.includes(before)) $("control-kind").value = before;
}

given.onGiven(() => { $("control-kind").parentElement.hidden = !given.given("control"); });
spoken(speak);
