// Alarms and maintenance of a port and its station, also what is over.

import { list, make, say } from "./dom.js";
import { fromAlarm, fromMaintenance, historyTable, keyOfIncident, line } from "./incidents.js";
import { model } from "./model.js";
import { get } from "./read.js";
import { t } from "./texts.js";

export function build(root, row) {
  const open = make("ul", { class: "list", id: "port-alarms" });
  const hint = make("p", { class: "hint", role: "status" });
  const { table, draw } = historyTable(make("tbody"));
  root.append(open, make("h3", {}, t("alarms.history")), hint, make("div", { class: "scroll card", role: "region", "aria-label": t("alarms.table"), tabindex: "0" }, table));
  let known = null, closed = false;
  const isHere = (each) => each.account === row.account && each.cpid === row.cpid && (each.connectorId === null || each.connectorId === row.connectorId);

  async function read() {
    const { content, words } = await get("alarms", { account: row.account, cpid: row.cpid });
    if (closed) return;
    const found = content ? content.incidents.filter(isHere) : [];
    draw(found);
    say(hint, content ? (found.length ? "" : t("alarms.none_ever")) : words);
  }

  return {
    update() {
      const found = [...model.state.alarms.filter(isHere).map(fromAlarm), ...model.state.maintenance.filter(isHere).map(fromMaintenance)];
      list(open, found, t("attention.none"), keyOfIncident, line);
      // What is over is asked for when something changed.
      const now = found.map(keyOfIncident).join();
      if (now !== known) read();
      known = now;
    },
    close() {
      closed = true;
    },
  };
}
