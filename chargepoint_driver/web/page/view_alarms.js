// Active alarms, what needs maintenance, and what there was in the last month.

import { button, download, list, make, say } from "./dom.js";
import { fromAlarm, fromMaintenance, historyTable, incidentsCsv, keyOfIncident, line } from "./incidents.js";
import { model } from "./model.js";
import { get } from "./read.js";
import { t } from "./texts.js";
import { missing, noneOr, section, unlisted } from "./words.js";

export function build(root) {
  const alarms = { hint: make("p", { id: "alarms-say", class: "hint" }), list: make("ul", { id: "alarms", class: "list" }) };
  const care = { hint: make("p", { id: "care-say", class: "hint" }), list: make("ul", { id: "care", class: "list" }) };
  const hint = make("p", { class: "hint", role: "status" });
  const { table, draw } = historyTable(make("tbody", { id: "incidents" }));
  let found = [], known = null, closed = false;
  const tools = make("div", { class: "tools" }, button(t("csv"), () => download("alarms.csv", incidentsCsv(found)), { id: "alarms-csv" }), button(t("refresh"), read));
  root.append(
    make("div", { class: "columns" }, section("alarms-title", t("alarms.title"), alarms.hint, alarms.list), section("care-title", t("care.title"), care.hint, care.list)),
    section("history-title", t("alarms.history"), tools, hint, make("div", { class: "scroll card", role: "region", "aria-label": t("alarms.table"), tabindex: "0" }, table)),
  );

  async function read() {
    const { content, words } = await get("alarms");
    if (closed) return;
    found = content?.incidents ?? [];
    draw(found);
    say(hint, content ? (found.length ? "" : t("alarms.none_ever")) : words);
  }

  return {
    update() {
      const { state } = model;
      const some = (number) => [missing(number), unlisted()].filter(Boolean).join(", ");
      say(alarms.hint, some(state.alarmsUnknown));
      say(care.hint, some(state.maintenanceUnknown));
      list(alarms.list, state.alarms.map(fromAlarm), noneOr(state.alarmsUnknown, t("alarms.none")), keyOfIncident, line);
      list(care.list, state.maintenance.map(fromMaintenance), noneOr(state.maintenanceUnknown, t("care.none")), keyOfIncident, line);
      const now = [...state.alarms.map(fromAlarm), ...state.maintenance.map(fromMaintenance)].map(keyOfIncident).join();
      if (now !== known) read();
      known = now;
    },
    close() {
      closed = true;
    },
  };
}
