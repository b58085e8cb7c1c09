// Commands: asked about in a dialog first; a failure shows the driver's own message.

import { make, part, say } from "./dom.js";
import { place } from "./format.js";
import { model } from "./model.js";
import { pathOf } from "./roles.js";
import { shedFields } from "./shed.js";
import { t } from "./texts.js";

const dialog = part("ask");
const inner = (name) => part(`ask-${name}`);
let pending = null;
let report = () => {};

function field(words, attributes) {
  return make("label", {}, `${words} `, make("input", attributes));
}

// Texts are command.<name>.title, .text, .yes and .done. `body` makes the fields of the request.
const COMMANDS = {
  shed: {
    fields: shedFields,
    body: (form) => {
      const kind = form.get("kind");
      return { [kind]: Number(form.get(kind)), minutes: Number(form.get("minutes")) };
    },
  },
  clear: {},
  start: {
    fields: () => [field(t("ask.id_tag"), { name: "id_tag", maxlength: "36", required: "", autocomplete: "off" })],
    body: (form) => ({ id_tag: form.get("id_tag") }),
  },
  stop: {},
  "clear-alarms": { isWhole: true },
  acknowledge: {
    fields: () => [field(t("ask.note"), { name: "note", maxlength: "500", autocomplete: "off" })],
    body: (form, thing) => ({ kind: thing.kind, what: thing.what, note: form.get("note") }),
  },
  release: {},
  operative: { body: () => ({ type: "Operative" }) },
  inoperative: { body: () => ({ type: "Inoperative" }) },
  "reset-soft": { isWhole: true, body: () => ({ type: "Soft" }) },
  "reset-hard": { isWhole: true, body: () => ({ type: "Hard" }) },
};

// `callback` gets a sentence, and for how many milliseconds it is to be seen, after each command.
export function onDone(callback) {
  report = callback;
}

// Say that something else was done.
export function done(words) {
  report(words);
}

// Ask about a command for a port, a station or a group.
export function ask(name, thing) {
  const command = COMMANDS[name];
  const isWhole = command.isWhole;
  const where = isWhole ? model.nameOf(thing.account, thing.cpid) || thing.name || thing.cpid : place(thing);
  pending = { name, command, thing, where, asker: document.activeElement };
  inner("title").textContent = t(`command.${name}.title`, { place: where, what: thing.what ?? "" });
  inner("text").textContent = t(`command.${name}.text`);
  inner("fields").replaceChildren(...(command.fields ? command.fields(thing) : []));
  fault("");
  busy(false);
  dialog.showModal();
  const first = inner("fields").querySelector("input:not([type=radio])");
  (first || inner("no")).focus();
}

function fault(words) {
  inner("fault").hidden = !words;
  say(inner("fault"), words);
}

function busy(is) {
  inner("yes").disabled = is;
  dialog.setAttribute("aria-busy", String(is));
  if (pending) inner("yes").textContent = is ? t("ask.sending") : t(`command.${pending.name}.yes`);
}

dialog.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const asked = pending;
  const form = new FormData(event.target);
  fault("");
  busy(true);
  const { words, warnings } = await send(asked, asked.command.body ? asked.command.body(form, asked.thing) : {});
  if (pending !== asked) return;
  busy(false);
  if (words) {
    fault(words);
    inner("yes").focus();
    return;
  }
  dialog.close();
  const done = t("ask.done", { command: t(`command.${asked.name}.done`), place: asked.where });
  report([done, ...warnings.map((each) => t("ask.warning", { text: each }).replace("..", "."))].join(" "), warnings.length ? 60000 : 8000);
});

inner("no").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => {
  const asker = pending && pending.asker;
  pending = null;
  if (asker && asker.isConnected) asker.focus();
});

function send({ name, command, thing }, fields) {
  const where = { account: thing.account };
  if (thing.group) where.group = thing.group;
  else {
    where.cpid = thing.cpid;
    if (thing.connectorId && !command.isWhole) where.connectorId = thing.connectorId;
  }
  return post(pathOf(name), { ...where, ...fields });
}

// Send a request to the API. `words`: what went wrong, "" when all is well; `warnings`: what the
// command costs.
export async function post(path, body, method = "POST") {
  let answer;
  try {
    answer = await fetch(`/api/v1/${path}`, {
      method,
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    return failed(t("ask.unreachable"));
  }
  if (answer.status === 401) {
    location.assign("/login");
    return failed(t("ask.log_in"));
  }
  try {
    const content = await answer.json();
    return answer.ok ? { words: "", warnings: content.warnings ?? [], content } : failed(`${model.named(content.error.message)} [${content.error.code}]`);
  } catch {
    return answer.ok ? { words: "", warnings: [] } : failed(t("ask.status", { status: answer.status }));
  }
}

function failed(words) {
  return { words, warnings: [] };
}
