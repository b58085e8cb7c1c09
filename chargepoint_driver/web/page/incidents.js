// Alarms and needs of maintenance, open or over, as lists show them.

import { ask } from "./ask.js";
import { button, csv, make } from "./dom.js";
import { DASH, clock, full, iso, place } from "./format.js";
import { model } from "./model.js";
import { mayCommand } from "./roles.js";
import { t, word } from "./texts.js";

export function whatOf(each) {
  return each.kind === "maintenance" ? word("reason", each.what) : each.what;
}

// An alarm of the state, or a maintenance of it, as an incident.
export const fromAlarm = (each) => ({ ...each, kind: "alarm", what: each.alarmType, since: each.alarmTime, ended: null });
export const fromMaintenance = (each) => ({ ...each, kind: "maintenance", what: each.reason, since: null, ended: null });

export function keyOfIncident(each) {
  return [each.kind, each.account, each.cpid, each.connectorId, each.what, each.since, each.firstSeen, each.ended, each.acknowledged, each.asOf].join(" ");
}

export function noteWords(each) {
  if (!each.acknowledged) return "";
  return [t("acknowledged", { time: clock(each.acknowledged) }), each.acknowledgedBy, each.note].filter(Boolean).join(": ");
}

export function seenWords(each) {
  return [
    each.since ? t("since", { time: clock(each.since) }) : "",
    each.firstSeen ? t("first_seen", { time: clock(each.firstSeen) }) : "",
    each.ended ? t("over", { time: clock(each.ended) }) : each.lastSeen ? t("last_seen", { time: clock(each.lastSeen) }) : "",
    each.asOf ? t("as_of", { time: clock(each.asOf) }) : "",
  ].filter(Boolean).join(", ") || DASH;
}

// The elements of a line of a list.
export function line(each) {
  const where = place(each);
  const buttons = make("span", { class: "buttons" });
  if (!each.ended && !each.acknowledged && mayCommand("acknowledge")) buttons.append(button(t("command.acknowledge.button"), () => ask("acknowledge", each), { "data-do": "acknowledge", "aria-label": t("command.acknowledge.of", { place: where, what: whatOf(each) }) }));
  if (!each.ended && each.kind === "alarm" && mayCommand("clear-alarms")) buttons.append(button(t("command.clear-alarms.button"), () => ask("clear-alarms", each), { "data-do": "clear-alarms", "aria-label": t("command.clear-alarms.of", { place: each.name || each.cpid }) }));
  return [
    make("span", { class: "grow" }, make("strong", {}, whatOf(each)), ` ${where}`),
    make("span", { class: "hint grow" }, seenWords(each)),
    ...(each.acknowledged ? [make("span", { class: "note grow" }, noteWords(each))] : []),
    buttons,
  ];
}

export function incidentsCsv(incidents) {
  const head = ["kind", "site", "port", "what", "since", "first_seen", "last_seen", "ended", "acknowledged", "by", "note"].map((name) => t(`csv.${name}`));
  const time = (text) => (text ? iso(Date.parse(text)) : null);
  return csv([head, ...incidents.map((each) => [t(`kind.${each.kind}`), each.account, place({ ...each, name: each.name ?? model.nameOf(each.account, each.cpid) }), whatOf(each), time(each.since), time(each.firstSeen), time(each.lastSeen), time(each.ended), time(each.acknowledged), each.acknowledgedBy, each.note])]);
}

export function historyTable(body) {
  const columns = ["what", "port", "first_seen", "last_seen", "note"];
  const table = make("table", { class: "stack" }, make("thead", {}, make("tr", {}, ...columns.map((name) => make("th", { scope: "col" }, t(`csv.${name}`))))), body);
  const draw = (incidents) => body.replaceChildren(...incidents.map((each) => {
    const words = [whatOf(each), place({ ...each, name: each.name ?? model.nameOf(each.account, each.cpid) }), full(each.firstSeen), each.ended ? t("over", { time: full(each.ended) }) : full(each.lastSeen), noteWords(each) || DASH];
    return make("tr", {}, ...words.map((shown, index) => make("td", { "data-label": t(`csv.${columns[index]}`) }, shown)));
  }));
  return { table, draw };
}
