// Words of schedules: days, rules, devices, entries of the log.

import { DASH, clock, kw, kwh } from "./format.js";
import { model } from "./model.js";
import { language, t, word } from "./texts.js";

export const WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

// Dates of a schedule have no time and no zone.
const SHORT = new Intl.DateTimeFormat(language, { weekday: "short", timeZone: "UTC" });
const DAY = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone: "UTC" });
const WHOLE = new Intl.DateTimeFormat(language, { weekday: "short", day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const dateOf = (text) => new Date(`${text}T12:00:00Z`);

// 2024-01-01 is a Monday.
export const weekdayName = (day) => SHORT.format(dateOf(`2024-01-0${WEEKDAYS.indexOf(day) + 1}`));
export const dayName = (date) => SHORT.format(dateOf(date));
export const shortDate = (date) => DAY.format(dateOf(date));
export const wholeDate = (date) => WHOLE.format(dateOf(date));

// A limit; null means no limit, and 0 is a limit.
export function limit(value) {
  return value === null ? t("no_limit") : kw(value);
}

export function timesOf({ from, until }) {
  if (from === "00:00" && until === "24:00") return t("schedule.all_day");
  const isNext = until !== "24:00" && until <= from;
  return t(isNext ? "schedule.times.next" : "schedule.times", { from, until });
}

// Weekdays in words: neighbours as a range.
export function weekdaysOf(days) {
  const chosen = WEEKDAYS.map((day) => days.includes(day));
  if (chosen.every(Boolean)) return t("schedule.every_day");
  const found = [];
  for (let at = 0; at < 7; at++) {
    if (!chosen[at]) continue;
    let end = at;
    while (end < 6 && chosen[end + 1]) end++;
    if (end - at > 1) found.push(`${weekdayName(WEEKDAYS[at])}\u2013${weekdayName(WEEKDAYS[end])}`);
    else for (let each = at; each <= end; each++) found.push(weekdayName(WEEKDAYS[each]));
    at = end;
  }
  return found.join(", ");
}

// The first and last day of a year, as month and day.
export function seasonOf(season) {
  return season ? season.map((day) => shortDate(`2024-${day}`)).join(" \u2013 ") : t("schedule.all_year");
}

export function holidaysOf(rule) {
  return word("schedule.holidays", rule.holidays.replace(" ", "_"));
}

export function deviceWords(device) {
  if (device.topic) return device.topic;
  if (device.group) return groupName(device);
  const station = stationOf(device);
  const name = station?.name || device.cpid;
  return device.connectorId ? t("place", { name, port: device.connectorId }) : name;
}

function stationOf({ account, cpid }) {
  if (account) return model.stations.get(`${account} ${cpid}`);
  for (const station of model.stations.values()) if (station.cpid === cpid) return station;
  return undefined;
}

function groupName({ account, group }) {
  const found = model.groups.find((each) => each.group === group && (!account || each.account === account));
  return found?.name ?? t("group.id", { id: group });
}

// A device of the scheduler's log: a topic, a station group, or account (or not), station, port (or not).
function loggedDevice(text) {
  const words = text.split(" ");
  const isPort = words.length > 1 && /^\d+$/.test(words.at(-1));
  const [cpid, account] = words.slice(0, isPort ? -1 : undefined).reverse();
  const station = stationOf({ account, cpid });
  if (!station) return model.named(text);
  return deviceWords({ account, cpid, connectorId: isPort ? Number(words.at(-1)) : null });
}

const MAX_NAMED = 4;

export function whomOf(event) {
  const { devices, deviceCount } = event;
  if (!deviceCount) return ["plan", "need", "lost", "circuit"].includes(event.kind) ? loggedDevice(event.kind === "need" ? event.message : event.name) : DASH;
  const named = devices.slice(0, MAX_NAMED).map(loggedDevice);
  const rest = deviceCount - named.length;
  return [...named, ...(rest > 0 ? [t("ask.more", { n: rest })] : [])].join(", ");
}

export function whatOf(event) {
  const { kind, name } = event;
  if (kind === "limit") return [`${name}: ${limit(event.kw)}`, event.reason ? `(${event.reason})` : "", event.until ? t("until", { time: clock(event.until) }) : ""].filter(Boolean).join(" ");
  if (kind === "circuit") return t("schedule.log.circuit", { limit: limit(event.kw) });
  if (kind === "need") return t("schedule.log.need", { group: name, energy: kwh(event.energy), time: clock(event.until) });
  if (kind === "saved") return t("schedule.log.saved", { by: event.by ?? DASH, what: event.message ?? "" });
  if (["removed", "lost"].includes(kind)) return t(`schedule.log.${kind}`, { name });
  return t(`schedule.log.${kind}`, { message: event.message ?? "", version: event.revision ?? "" });
}

export function resultOf(event) {
  const errors = Object.entries(event.errors);
  if (errors.length) return errors.slice(0, MAX_NAMED).map(([device, error]) => model.named(`${device}: ${error}`)).join("; ");
  if (event.done === true) return t("schedule.result.done");
  if (event.done === false) return t("schedule.result.failed");
  return event.kind === "refused" ? t("schedule.result.refused") : DASH;
}
