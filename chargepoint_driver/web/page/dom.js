// Elements of the page. What chargers say is only ever set as text.

export const part = (name) => document.getElementById(name);

// An element with attributes and children. An attribute that is null is left out.
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export function button(words, click, attributes = {}) {
  const element = make("button", { type: "button", ...attributes }, words);
  element.addEventListener("click", click);
  return element;
}

// Set a text only when it changed, so that what is read out or selected is not disturbed.
export function say(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

// The children of a list by key: kept, made or removed, so that focus stays where it is.
export function keep(list, things, keyOf, build, update = () => {}) {
  const before = new Map([...list.children].map((child) => [child.dataset.key, child]));
  let previous = null;
  for (const thing of things) {
    const key = keyOf(thing);
    let child = before.get(key);
    if (child) before.delete(key);
    else {
      child = build(thing);
      child.dataset.key = key;
    }
    update(child, thing);
    const next = previous ? previous.nextSibling : list.firstChild;
    if (next !== child) list.insertBefore(child, next);
    previous = child;
  }
  for (const child of before.values()) child.remove();
}

// A list with a sentence where there is nothing.
export function list(element, things, none, keyOf, build, update) {
  if (things.length) keep(element, things, keyOf, (thing) => make("li", {}, ...build(thing)), update);
  else keep(element, [none], (words) => words, () => make("li", { class: "none" }, none));
}

// The options of a select by value; the one that is chosen stays, also where it has no option now.
export function options(select, pairs, chosen) {
  const all = pairs.some(([value]) => value === chosen) || !chosen ? pairs : [...pairs, [chosen, chosen]];
  keep(select, all, ([value]) => value, ([value]) => make("option", { value }), (option, [, words]) => say(option, words));
  if (select.value !== chosen) select.value = chosen;
}

// Offer a text as a file.
export function download(name, text, type = "text/csv") {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// Rows of values as CSV. A value that a spreadsheet would take for a formula becomes text.
export function csv(rows) {
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    let words = String(value);
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(words)) words = `'${words}`;
    return /[",\r\n]/.test(words) ? `"${words.replaceAll('"', '""')}"` : words;
  };
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}
