// Rows of numbers, to which one can add rows: points of a path, places of a camera.
import { element } from "../elements.js";
import { spoken, word } from "../words.js";

export class Rows {
  // columns: `name` is a word of the page; min, max and step are those of the field.
  // called: the word for one row. on: `change` is called when a number changes, `next` returns a new row after the last.
  constructor(place, columns, called, on) {
    Object.assign(this, { columns, called, on, values: [] });
    this.head = element("div", { className: "numbers", "aria-hidden": "true" });
    this.list = element("div", { className: "numbers" });
    this.add = element("button", { type: "button" });
    this.add.addEventListener("click", () => {
      this.set([...this.values, on.next(this.values.at(-1))]);
      on.change(this.values);
      this.list.lastElementChild.querySelector("input").focus();
    });
    place.append(this.head, this.list, this.add);
    spoken(() => this.set(this.values));
  }

  set(values) {
    this.values = values.map((each) => [...each]);
    this.head.hidden = !values.length;
    this.head.replaceChildren(element("div", {}, ...this.columns.map(({ name }) => element("span", {}, word(name))), element("span")));
    this.list.replaceChildren(...this.values.map((each, at) => this.row(each, at)));
    for (const each of [this.head, this.list]) each.style.setProperty("--columns", this.columns.length);
    this.add.textContent = word(`add_${this.called}`);
  }

  row(numbers, at) {
    const named = `${word(this.called)} ${at + 1}`;
    const fields = this.columns.map(({ name, min, max, step }, column) => {
      const label = `${named}: ${word(name)}`;
      const field = element("input", { type: "number", min, max, step, inputMode: "decimal", value: numbers[column], ariaLabel: label });
      field.addEventListener("input", () => {
        if (field.value === "" || !field.checkValidity()) return;
        numbers[column] = Number(field.value);
        this.on.change(this.values);
      });
      field.addEventListener("change", () => { field.value = numbers[column]; }); // a wrong number is taken back
      return field;
    });
    const less = element("button", { type: "button", ariaLabel: word("remove", { what: named }) }, "×");
    less.addEventListener("click", () => {
      this.set(this.values.filter((_, other) => other !== at));
      this.on.change(this.values);
      (this.list.children[at]?.querySelector("input") ?? this.add).focus();
    });
    return element("div", {}, ...fields, less);
  }
}
