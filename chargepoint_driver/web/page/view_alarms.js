// Active alarms, what needs maintenance, and what there was in the last month.

import { button, download, list, make, say } from "./dom.js";
import { fromAlarm, fromMaintenance, historyTable, incidentsCsv, keyOfIncident, line } from "./incidents.js";
import { model } from "./model.js";
import { get } from "./read.js";
import { t } from "./texts.js";
import { missing, noneOr, section, unlisted } from "./words.js";

// Of a long list these are shown at first.
const FEW = 50;

// A list of incidents; `name` is the id of its element.
class Part {
  constructor(name) {
    this.limit = FEW;
    this.hint = make("p", { id: `${name}-say`, class: "hint" });
    this.list = make("ul", { id: name, class: "list" });
    this.more = button("", () => {
      this.limit = Infinity;
      this.draw(...this.drawn);
    }, { class: "more" });
  }

  draw(incidents, none) {
    this.drawn = [incidents, none];
    list(this.list, incidents.slice(0, this.limit), none, keyOfIncident, line);
    this.more.hidden = incidents.length <= this.limit;
    say(this.more, t("alarms.all", { n: incidents.length }));
  }
}

export function build(root) {
  const alarms = new Part("alarms"), care = new Part("care");
  const hint = make("p", { class: "hint", role: "status" });
  const { table, draw } = historyTable(make("tbody", { id: "incidents" }));
  let found = [], known = null, closed = false;
  const tools = make("div", { class: "tools" }, button(t("csv"), () => download("alarms.csv", incidentsCsv(found)), { id: "alarms-csv" }), button(t("refresh"), read));
  root.append(
    section("alarms-title", t("alarms.title"), alarms.hint, alarms.list, alarms.more),
    section("care-title", t("care.title"), care.hint, care.list, care.more),
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
      alarms.draw(state.alarms.map(fromAlarm), noneOr(state.alarmsUnknown, t("alarms.none")));
      care.draw(state.maintenance.map(fromMaintenance), noneOr(state.maintenanceUnknown, t("care.none")));
      const now = [...state.alarms.map(fromAlarm), ...state.maintenance.map(fromMaintenance)].map(keyOfIncident).join();
      if (now !== known) read();
      known = now;
    },
    close() {
      closed = true;
    },
  };
}
