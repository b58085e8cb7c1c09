// The filter of sessions: days of the site, station, idTag. Its state is in the address.

import { button, make, options } from "./dom.js";
import { dayName, startOfDay, today } from "./format.js";
import { model } from "./model.js";
import { site, t } from "./texts.js";
import { url } from "./url.js";

const DEFAULT_DAYS = 7;
const WAIT_MS = 500;

// Days of the address as yyyy-mm-dd; `until` "" is now.
function days() {
  return { since: valid(url.get("since")) || today(-DEFAULT_DAYS + 1), until: valid(url.get("until")) };
}

function valid(text) {
  return /^\d{4}-\d\d-\d\d$/.test(text) && startOfDay(text) !== null ? text : "";
}

// What the API is asked for.
export function query() {
  const { since, until } = days();
  const [account = "", cpid = ""] = url.get("station").split("~");
  return { start: new Date(startOfDay(since)).toISOString(), end: until ? new Date(startOfDay(until, 1)).toISOString() : "", account, cpid, idTag: site.idTags ? url.get("tag") : "" };
}

// Whether the range is short and reaches to now: only then it is read again after a change.
export function isRecent() {
  const { since, until } = days();
  return !until && since >= today(-DEFAULT_DAYS);
}

// The range in words, also for paper.
export function shownRange() {
  const { since, until } = days();
  return t("sessions.range", { since: dayName(since), until: until ? dayName(until) : t("sessions.now") });
}

export function filterBar() {
  const since = make("input", { type: "date", id: "sessions-since", max: today() });
  const until = make("input", { type: "date", id: "sessions-until" });
  const station = make("select", { id: "sessions-station" });
  const tag = make("input", { type: "search", id: "sessions-tag", autocomplete: "off", maxlength: "255" });
  let waiting = 0, listed = -1;
  const field = (input, words) => make("label", { for: input.id }, `${words} `, input);
  since.addEventListener("change", () => set({ since: since.value }));
  until.addEventListener("change", () => set({ until: until.value }));
  station.addEventListener("change", () => set({ station: station.value }));
  tag.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => set({ tag: tag.value.trim() }), WAIT_MS);
  });
  const presets = [["today", () => ({ since: today(), until: "" })], ["week", () => ({ since: "", until: "" })], ["month", () => ({ since: `${today().slice(0, 8)}01`, until: "" })], ["last_month", lastMonth]];
  const buttons = presets.map(([name, range]) => button(t(`sessions.preset.${name}`), () => set(range()), { "data-range": name }));
  const fields = [field(since, t("sessions.since")), field(until, t("sessions.until")), field(station, t("sessions.station"))];
  if (site.idTags) fields.push(field(tag, t("sessions.tag")));
  return {
    element: make("div", { class: "tools", role: "search", "aria-label": t("sessions.filter") }, ...fields, ...buttons),
    update() {
      const { since: first, until: last } = days();
      for (const [input, value] of [[since, first], [until, last], [tag, url.get("tag")]]) {
        if (document.activeElement !== input && input.value !== value) input.value = value;
      }
      // Thousands of options are not compared each second.
      if (listed === model.stations.size && station.value === url.get("station")) return;
      listed = model.stations.size;
      const found = [...model.stations.values()].map((each) => [`${each.account}~${each.cpid}`, each.name ? `${each.name} (${each.cpid})` : each.cpid]);
      options(station, [["", t("sessions.every_station")], ...found], url.get("station"));
    },
  };
}

function set(changes) {
  url.set(changes, { push: true });
}

function lastMonth() {
  const [year, month] = today().split("-").map(Number);
  const first = new Date(Date.UTC(year, month - 2, 1)), last = new Date(Date.UTC(year, month - 1, 0));
  return { since: first.toISOString().slice(0, 10), until: last.toISOString().slice(0, 10) };
}
