// The facts of a station and of a port, and the settings of a charger.

import { button, make, say } from "./dom.js";
import { text } from "./format.js";
import { get } from "./read.js";
import { t } from "./texts.js";

export function build(root, row) {
  const find = make("input", { id: "facts-find", type: "search", autocomplete: "off" });
  find.addEventListener("input", draw);
  const hint = make("p", { class: "hint", role: "status" });
  const body = make("div", { id: "charger-facts" });
  root.append(make("div", { class: "tools" }, make("label", { for: "facts-find" }, `${t("filter.find")} `, find), button(t("refresh"), read)), hint, body);
  let content = null, closed = false;
  read();
  return {
    update() {},
    close() {
      closed = true;
    },
  };

  async function read() {
    const found = await get("charger", { account: row.account, cpid: row.cpid });
    if (closed) return;
    content = found.content;
    say(hint, found.words);
    draw();
  }

  function draw() {
    if (!content) return;
    const parts = [["facts.station", content.values], ["facts.port", content.ports[row.connectorId] ?? {}]];
    if (content.settings) parts.push(["facts.settings", content.settings]);
    const wanted = find.value.trim().toLowerCase();
    body.replaceChildren(...parts.map(([title, values]) => table(t(title), Object.entries(values).filter(([name, value]) => `${name} ${shown(value)}`.toLowerCase().includes(wanted)))));
    if (content.direct && !content.settings) body.append(make("p", { class: "hint" }, t("facts.no_settings")));
  }
}

function shown(value) {
  return value !== null && typeof value === "object" ? JSON.stringify(value) : text(value);
}

function table(title, pairs) {
  const rows = pairs.sort(([one], [other]) => one.localeCompare(other)).map(([name, value]) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, shown(value))));
  const body = make("tbody", {}, ...(rows.length ? rows : [make("tr", {}, make("td", { colspan: "2" }, t("facts.nothing")))]));
  return make("div", { class: "card facts-table" }, make("table", {}, make("caption", {}, title), body));
}
