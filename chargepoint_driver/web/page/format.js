// Values as people read them. null is never 0: what is not known is "unknown", what a station does
// not report is a dash. Times are those of the site's time zone.

import { language, site, t } from "./texts.js";

export const DASH = "\u2013";
export const UNKNOWN = t("unknown");

const zone = site.timeZone ?? undefined;
const TIME = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", timeZone: zone });
const DAY = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone: zone });
const FULL = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium", timeZone: zone });
const NUMBERS = [0, 1, 2].map((digits) => new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false }));
export const zoneName = TIME.resolvedOptions().timeZone;

// The server's time less this browser's: ages must not depend on a clock that is wrong.
let ahead = 0;

export function setTime(time) {
  ahead = Date.parse(time) - Date.now();
}

export function now() {
  return Date.now() + ahead;
}

export function number(value, digits = Math.abs(value) >= 100 ? 0 : 1) {
  return value === null || value === undefined ? UNKNOWN : NUMBERS[digits].format(value);
}

export function kw(value) {
  return value === null || value === undefined ? UNKNOWN : `${number(value)} kW`;
}

export function kwh(wh) {
  return wh === null || wh === undefined ? DASH : `${number(wh / 1000)} kWh`;
}

export function percent(value) {
  return value === null || value === undefined ? DASH : `${Math.round(value)} %`;
}

export function text(value) {
  return value === null || value === undefined || value === "" ? DASH : String(value);
}

export function lasting(seconds) {
  if (seconds === null || seconds === undefined) return DASH;
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return t("lasting.seconds", { n: whole });
  if (whole < 3600) return t("lasting.minutes", { n: Math.floor(whole / 60) });
  if (whole < 48 * 3600) return t("lasting.hours", { hours: Math.floor(whole / 3600), minutes: Math.floor((whole % 3600) / 60) });
  return t("lasting.days", { n: Math.floor(whole / 86400) });
}

export function since(time) {
  return (now() - Date.parse(time)) / 1000;
}

export function ago(time) {
  if (!time) return DASH;
  return since(time) < 5 ? t("ago.now") : t("ago", { time: lasting(since(time)) });
}

// Hour and minute, with the day where that is not today.
export function clock(time) {
  if (!time) return DASH;
  const date = new Date(time);
  const day = DAY.format(date);
  return day === DAY.format(new Date(now())) ? TIME.format(date) : `${day}, ${TIME.format(date)}`;
}

// Day, hour, minute and second.
export function full(time) {
  return time ? FULL.format(new Date(time)) : DASH;
}

// ISO 8601 in the site's zone, for files.
const PARTS = new Intl.DateTimeFormat("en-CA", { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: zone, timeZoneName: "longOffset" });
export function iso(time) {
  if (time === null || time === undefined) return "";
  const parts = Object.fromEntries(PARTS.formatToParts(new Date(time)).map(({ type, value }) => [type, value]));
  const offset = parts.timeZoneName.replace("GMT", "") || "+00:00";
  return `${parts.year}-${parts.month}-${parts.day}T${parts.hour}:${parts.minute}:${parts.second}${offset}`;
}

// An amount of money, which comes as decimal digits; no digit is lost.
export function money(amount, currency) {
  const digits = (amount.split(".")[1] ?? "").length;
  const format = new Intl.NumberFormat(language, { style: "currency", currency, currencyDisplay: "code", useGrouping: false, minimumFractionDigits: digits, maximumFractionDigits: digits });
  // Narrow boxes may break it after the code.
  return format.format(amount).replace("\u00a0", " ");
}

// The day of the site as yyyy-mm-dd, some days before or after today.
export function today(days = 0) {
  return shifted(iso(now()).slice(0, 10), days);
}

function shifted(day, days) {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * 86400000).toISOString().slice(0, 10);
}

// When a day of the site begins, in ms; null for what is not a day. Offsets are looked at twice:
// the clock may change on that day.
export function startOfDay(day, days = 0) {
  const utc = Date.parse(`${day}T00:00:00Z`);
  if (Number.isNaN(utc)) return null;
  const midnight = utc + days * 86400000;
  let found = midnight;
  for (let turn = 0; turn < 2; turn += 1) found = midnight - offset(found);
  return found;
}

function offset(time) {
  const [, sign, hours, minutes] = iso(time).match(/([+-])(\d\d):(\d\d)$/);
  return (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60000;
}

const DATE = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" });
export function dayName(day) {
  return DATE.format(new Date(`${day}T00:00:00Z`));
}

const MONTH = new Intl.DateTimeFormat(language, { year: "numeric", month: "long", timeZone: "UTC" });
export function monthName(month) {
  return MONTH.format(new Date(`${month}-01T00:00:00Z`));
}

export function place(thing) {
  const name = thing.name || thing.cpid || t("group.id", { id: thing.group });
  return thing.connectorId ? t("place", { name, port: thing.connectorId }) : name;
}
