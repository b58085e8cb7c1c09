// A dialog with fields that are saved: what is wrong is shown in it, and it stays open.

import { button, make, say } from "./dom.js";
import { t } from "./texts.js";

const heading = make("h2", { id: "form-title" });
const hint = make("p", { id: "form-text" });
const fields = make("div", { id: "form-fields", class: "fields" });
const fault = make("p", { id: "form-fault", class: "fault", role: "alert", hidden: "" });
const yes = make("button", { type: "submit", id: "form-yes", class: "main" });
const no = button(t("ask.cancel"), () => dialog.close(), { id: "form-no" });
const form = make("form", { method: "dialog" }, heading, hint, fields, fault, make("div", { class: "buttons" }, no, yes));
const dialog = make("dialog", { id: "form", "aria-labelledby": "form-title", "aria-describedby": "form-text" }, form);
document.body.append(dialog);
let pending = null;

// `save(data)` gets FormData and returns what went wrong, "" when all is well.
export function openForm({ title, text, content = [], yesWords, save }) {
  pending = { save, yesWords, asker: document.activeElement };
  say(heading, title);
  say(hint, text);
  hint.hidden = !text;
  fields.replaceChildren(...content);
  showFault("");
  setBusy(false);
  dialog.showModal();
  (fields.querySelector("input, select, textarea") ?? no).focus();
}

function showFault(words) {
  fault.hidden = !words;
  say(fault, words);
}

function setBusy(is) {
  yes.disabled = is;
  dialog.setAttribute("aria-busy", String(is));
  say(yes, is ? t("ask.sending") : (pending?.yesWords ?? ""));
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const mine = pending;
  showFault("");
  setBusy(true);
  const words = await mine.save(new FormData(form));
  if (pending !== mine) return;
  setBusy(false);
  if (!words) dialog.close();
  else {
    showFault(words);
    yes.focus();
  }
});

dialog.addEventListener("close", () => {
  const asker = pending?.asker;
  pending = null;
  if (asker?.isConnected) asker.focus();
});

// A labelled input.
export function field(words, attributes, value = null) {
  const input = make("input", { autocomplete: "off", ...attributes });
  if (value !== null) input.value = value;
  return make("label", {}, make("span", {}, words), input);
}

// Boxes to check, one a line, in a list that scrolls. `chosen`: keys; `changed(key, isChosen)`.
export function checkList(words, name) {
  const list = make("div", { class: "checks" });
  const set = (pairs, chosen, changed = () => {}) => list.replaceChildren(...pairs.map(([key, shown]) => {
    const input = make("input", { type: "checkbox", name, value: key });
    input.checked = chosen.includes(key);
    input.addEventListener("change", () => changed(key, input.checked));
    return make("label", {}, input, make("span", {}, shown));
  }));
  return { element: make("fieldset", {}, make("legend", {}, words), list), set };
}

// A labelled choice of [value, words] pairs.
export function choice(words, name, pairs, value) {
  const select = make("select", { name }, ...pairs.map(([each, shown]) => make("option", { value: each }, shown)));
  select.value = value;
  return make("label", {}, make("span", {}, words), select);
}
