// Values as people read them. null is never 0: what is not known is "unknown", what a station does
// not report is a dash. What chargers say is only ever set as text.

export const DASH = "\u2013";
export const UNKNOWN = "unknown";

// The server's time less this browser's: ages must not depend on a clock that is wrong.
let ahead = 0;

export function setTime(time) {
  ahead = Date.parse(time) - Date.now();
}

export function now() {
  return Date.now() + ahead;
}

export function kw(value) {
  return value === null || value === undefined ? UNKNOWN : `${round(value)} kW`;
}

export function round(value) {
  return value === null || value === undefined ? UNKNOWN : value.toFixed(Math.abs(value) >= 100 ? 0 : 1);
}

export function percent(value) {
  return value === null || value === undefined ? DASH : `${Math.round(value)} %`;
}

export function text(value) {
  return value === null || value === undefined || value === "" ? DASH : String(value);
}

export function lasting(seconds) {
  if (seconds === null || seconds === undefined) return DASH;
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 48 * 3600) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} days`;
}

export function since(time) {
  return (now() - Date.parse(time)) / 1000;
}

export function ago(time) {
  if (!time) return DASH;
  return since(time) < 5 ? "just now" : `${lasting(since(time))} ago`;
}

export function clock(time) {
  if (!time) return DASH;
  const date = new Date(time);
  const day = date.toDateString() === new Date(now()).toDateString() ? {} : { day: "numeric", month: "short" };
  return date.toLocaleString([], { hour: "2-digit", minute: "2-digit", ...day });
}

// An element with attributes and children; texts stay texts.
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// Set a text only when it changed, so that what is read out or selected is not disturbed.
export function say(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

export function place(thing) {
  const name = thing.name || thing.cpid || `group ${thing.group}`;
  return thing.connectorId ? `${name} port ${thing.connectorId}` : name;
}

// The children of a list by key: kept, made or removed, so that focus stays where it is.
export function keep(list, things, keyOf, build, update) {
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
