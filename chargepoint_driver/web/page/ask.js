// Commands: asked about in a dialog first; what goes wrong is said in the driver's own words.

import { make, place, say } from "./words.js";

const dialog = document.getElementById("ask");
const part = (name) => document.getElementById(`ask-${name}`);
let pending = null;

function field(label, attributes) {
  const input = make("input", attributes);
  return { input, label: make("label", {}, `${label} `, input) };
}

function shedFields() {
  const kwRadio = make("input", { type: "radio", name: "kind", value: "allowedLoad", checked: "" });
  const partRadio = make("input", { type: "radio", name: "kind", value: "percentShed" });
  const load = field("Limit in kW", { type: "number", name: "allowedLoad", min: "0", max: "10000", step: "any", required: "", inputmode: "decimal" });
  const share = field("Part to shed in %", { type: "number", name: "percentShed", min: "0", max: "100", step: "1", inputmode: "numeric" });
  const minutes = field("Ends after minutes", { type: "number", name: "minutes", min: "0", max: "525600", step: "1", value: "60", required: "", inputmode: "numeric" });
  const choose = () => {
    for (const [radio, each] of [[kwRadio, load], [partRadio, share]]) {
      each.label.hidden = !radio.checked;
      each.input.required = radio.checked;
    }
  };
  for (const radio of [kwRadio, partRadio]) radio.addEventListener("change", choose);
  choose();
  return [
    make("fieldset", {}, make("legend", {}, "How far"), make("label", {}, kwRadio, "to a limit in kW"), make("label", {}, partRadio, "by a part of what flows now"), load.label, share.label),
    minutes.label,
    make("p", { class: "hint" }, "It is cleared after these minutes, whatever renews it. 0 minutes: no deadline, it is renewed until it is cleared."),
  ];
}

const ORDERS = {
  shed: {
    title: (thing) => `Shed ${place(thing)}?`,
    text: () => "Vehicles charge slower or stop.",
    yes: "Shed now",
    fields: shedFields,
    body: (form) => {
      const kind = form.get("kind");
      return { [kind]: Number(form.get(kind)), minutes: Number(form.get("minutes")) };
    },
  },
  clear: {
    title: (thing) => `Clear the shed of ${place(thing)}?`,
    text: () => "Vehicles may charge with full power again.",
    yes: "Clear now",
  },
  start: {
    title: (thing) => `Start charging at ${place(thing)}?`,
    text: () => "The charger begins a session for this identification.",
    yes: "Start now",
    fields: () => [field("Identification (idTag)", { name: "id_tag", maxlength: "36", required: "", autocomplete: "off" }).label],
    body: (form) => ({ id_tag: form.get("id_tag") }),
  },
  stop: {
    title: (thing) => `Stop charging at ${place(thing)}?`,
    text: () => "The session ends; the vehicle charges no more.",
    yes: "Stop now",
  },
  "clear-alarms": {
    title: (thing) => `Clear all alarms of ${thing.name || thing.cpid}?`,
    text: () => "They are cleared for everybody.",
    yes: "Clear alarms",
  },
};

// Ask about an order; `done` is called with a sentence when it was carried out.
export function ask(name, thing, done) {
  const order = ORDERS[name];
  const asker = document.activeElement;
  pending = { name, order, thing, done, asker };
  part("title").textContent = order.title(thing);
  part("text").textContent = order.text(thing);
  part("yes").textContent = order.yes;
  part("fields").replaceChildren(...(order.fields ? order.fields() : []));
  fault("");
  busy(false);
  dialog.showModal();
  const first = part("fields").querySelector("input:not([type=radio])");
  (first || part("no")).focus();
}

function fault(words) {
  part("fault").hidden = !words;
  say(part("fault"), words);
}

function busy(is) {
  part("yes").disabled = is;
  dialog.setAttribute("aria-busy", String(is));
  if (pending) part("yes").textContent = is ? "Sending …" : pending.order.yes;
}

dialog.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const asked = pending;
  const form = new FormData(event.target);
  fault("");
  busy(true);
  const { words, warnings } = await send(asked, asked.order.body ? asked.order.body(form) : {});
  if (pending !== asked) return;
  busy(false);
  if (words) {
    fault(words);
    part("yes").focus();
    return;
  }
  dialog.close();
  const done = `${asked.order.yes.replace(" now", "")}: ${place(asked.thing)} was told.`;
  asked.done([done, ...warnings.map((each) => `Warning: ${each}.`.replace("..", "."))].join(" "), warnings.length ? 60000 : 8000);
});

part("no").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => {
  const asker = pending && pending.asker;
  pending = null;
  if (asker && asker.isConnected) asker.focus();
});

// `words`: what went wrong, "" when all is well; `warnings`: what the command costs.
async function send({ name, thing }, body) {
  const where = { account: thing.account };
  if (thing.group) where.group = thing.group;
  else {
    where.cpid = thing.cpid;
    if (thing.connectorId && name !== "clear-alarms") where.connectorId = thing.connectorId;
  }
  let answer;
  try {
    answer = await fetch(`/api/v1/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...where, ...body }),
    });
  } catch {
    return failed("The server cannot be reached. Whether the command was carried out is not known: look at the tile when the page is connected again.");
  }
  if (answer.status === 401) {
    location.assign("/login");
    return failed("Log in again.");
  }
  try {
    const content = await answer.json();
    return answer.ok ? { words: "", warnings: content.warnings ?? [] } : failed(`${content.error.message} [${content.error.code}]`);
  } catch {
    return answer.ok ? { words: "", warnings: [] } : failed(`The server answered with status ${answer.status}.`);
  }
}

function failed(words) {
  return { words, warnings: [] };
}
