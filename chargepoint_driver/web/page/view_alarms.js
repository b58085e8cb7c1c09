// Active alarms and what needs maintenance.

import { ask } from "./ask.js";
import { button, list, make, say } from "./dom.js";
import { DASH, clock, place } from "./format.js";
import { model } from "./model.js";
import { t, word } from "./texts.js";
import { missing, noneOr, section, unlisted } from "./words.js";

export function build(root) {
  const alarms = { hint: make("p", { id: "alarms-say", class: "hint" }), list: make("ul", { id: "alarms", class: "list" }) };
  const care = { hint: make("p", { id: "care-say", class: "hint" }), list: make("ul", { id: "care", class: "list" }) };
  root.append(make("div", { class: "columns" }, section("alarms-title", t("alarms.title"), alarms.hint, alarms.list), section("care-title", t("care.title"), care.hint, care.list)));
  return {
    update() {
      drawAlarms(alarms);
      drawCare(care);
    },
    close() {},
  };
}

function drawAlarms(parts) {
  const { alarms, alarmsUnknown } = model.state;
  say(parts.hint, [missing(alarmsUnknown), unlisted()].filter(Boolean).join(", "));
  list(parts.list, alarms, noneOr(alarmsUnknown, t("alarms.none")), (alarm) => `${alarm.account} ${alarm.cpid} ${alarm.connectorId} ${alarm.alarmType} ${alarm.alarmTime} ${alarm.asOf}`, (alarm) => [
    make("span", {}, make("strong", {}, alarm.alarmType), ` ${place(alarm)}`),
    make("span", { class: "hint" }, [alarm.alarmTime ? t("since", { time: clock(alarm.alarmTime) }) : DASH, alarm.asOf ? t("as_of", { time: clock(alarm.asOf) }) : ""].filter(Boolean).join(", ")),
    button(t("command.clear-alarms.button"), () => ask("clear-alarms", alarm), { "aria-label": t("command.clear-alarms.of", { place: alarm.name || alarm.cpid }) }),
  ]);
}

function drawCare(parts) {
  const { maintenance, maintenanceUnknown } = model.state;
  say(parts.hint, [missing(maintenanceUnknown), unlisted()].filter(Boolean).join(", "));
  list(parts.list, maintenance, noneOr(maintenanceUnknown, t("care.none")), (each) => `${each.account} ${each.cpid} ${each.connectorId} ${each.reason}`, (each) => [
    make("span", {}, place(each)),
    make("strong", {}, word("reason", each.reason)),
  ]);
}
