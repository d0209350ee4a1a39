// Elements of the page: by their id, new ones, and lists of them in their order.
export const $ = (id) => document.getElementById(id);

// A new element with properties, attributes (names with "-", and role) and children.
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

// Make a list hold exactly these items. Those in the right place are not touched: they keep the focus, and clips play on.
export function arrange(list, items) {
  for (const old of [...list.children]) if (!items.includes(old)) old.remove();
  items.forEach((item, at) => { if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null); });
}
