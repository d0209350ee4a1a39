// A world in an address: its model, its seed, and the keys of its steps, such as right*12.-*4.do ("-" is no key).

const held = (keys) => keys.join("+") || "-";

export function linkTo({ model, seed, keys }) {
  const runs = [];
  for (const each of keys.map(held)) {
    if (runs.at(-1)?.name === each) runs.at(-1).count++;
    else runs.push({ name: each, count: 1 });
  }
  const said = runs.map(({ name, count }) => (count > 1 ? `${name}*${count}` : name)).join(".");
  return `#world=${encodeURIComponent(model)}&seed=${seed}&keys=${encodeURIComponent(said)}`;
}

export const keysOf = (said) => said.split(".").filter(Boolean).flatMap((run) => {
  const [name, count = 1] = run.split("*");
  return Array.from({ length: Math.min(Number(count) || 0, 36_000) }, () => (name === "-" ? [] : name.split("+")));
});
