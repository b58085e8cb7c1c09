// The shed dialog: its targets, the limit, and its duration.

import { button, make, say } from "./dom.js";
import { kw, kwh, lasting, since } from "./format.js";
import { model } from "./model.js";
import { t } from "./texts.js";

const MIN_AMPS = 6;
// A single phase of 230 V at 6 A, where a port does not say what an ampere is.
const MIN_KW = 1.4;
const MAX_NAMED = 3;

// The rows of the ports that a command for a port, a station or a group concerns.
export function concerned(thing) {
  const stations = thing.group ? new Set(thing.stations) : new Set([thing.cpid]);
  return model.rows.filter((row) => row.account === thing.account && stations.has(row.cpid) && (!thing.connectorId || row.connectorId === thing.connectorId));
}

// kW of 6 A at a port; null where the station does not report what an ampere is.
function sixAmps({ port }) {
  const { Power: power, Current: current } = port.station;
  return power > 0 && current > 0 ? (MIN_AMPS * power) / current : null;
}

function sum(values) {
  return values.some((value) => value === null || value === undefined) ? null : values.reduce((total, value) => total + value, 0);
}

function facts(rows) {
  const known = rows.filter((row) => !row.isAway && row.load.value !== null);
  const load = known.length ? kw(sum(known.map((row) => row.load.value))) : t("unknown");
  const charging = known.filter((row) => row.load.value > 0);
  const names = charging.slice(0, MAX_NAMED).map((row) => {
    const session = row.session ? t("ask.session", { energy: kwh(row.session.energy), time: lasting(since(row.session.startTime)) }) : "";
    return [row.place, kw(row.load.value), session].filter(Boolean).join(", ");
  });
  if (charging.length > MAX_NAMED) names.push(t("ask.more", { n: charging.length - MAX_NAMED }));
  const list = make("dl", { class: "facts", id: "ask-facts" });
  const add = (name, words) => list.append(make("dt", {}, t(`ask.${name}`)), make("dd", {}, words));
  if (rows.length !== 1) add("ports", String(rows.length));
  add("load", known.length && known.length < rows.length ? t("at_least", { value: load }) : load);
  const rating = sum(rows.map((row) => row.rating));
  add("rating", rating === null || !rows.length ? t("unknown") : kw(rating));
  add("charging", known.length ? t("counted", { n: charging.length, of: known.length }) : t("unknown"));
  return names.length ? [list, make("ul", { class: "charging hint" }, ...names.map((words) => make("li", {}, words)))] : [list];
}

// The fields of the dialog. `limit` is in kW for all of the ports together.
export function shedFields(thing) {
  const rows = concerned(thing), count = Math.max(rows.length, 1);
  const radio = (value, words, checked) => {
    const input = make("input", { type: "radio", name: "kind", value });
    input.checked = checked;
    return { input, label: make("label", {}, input, words) };
  };
  const kinds = { allowedLoad: radio("allowedLoad", t("ask.kind.limit"), true), percentShed: radio("percentShed", t("ask.kind.percent"), false) };
  const field = (words, attributes) => {
    const input = make("input", attributes);
    return { input, label: make("label", {}, `${words} `, input) };
  };
  const inputs = {
    allowedLoad: field(t(count > 1 ? "ask.limit.total" : "ask.limit"), { type: "number", name: "allowedLoad", min: "0", max: "10000", step: "any", inputmode: "decimal" }),
    percentShed: field(t("ask.percent"), { type: "number", name: "percentShed", min: "0", max: "100", step: "1", inputmode: "numeric" }),
  };
  const minutes = field(t("ask.minutes"), { type: "number", name: "minutes", min: "0", max: "525600", step: "1", value: "60", required: "", inputmode: "numeric" });
  const warnings = make("ul", { class: "warnings" });
  const kind = () => (kinds.percentShed.input.checked ? "percentShed" : "allowedLoad");
  const update = () => {
    for (const name of Object.keys(kinds)) {
      inputs[name].label.hidden = name !== kind();
      inputs[name].input.required = name === kind();
    }
    const found = warningsOf(kind(), inputs[kind()].input.value, minutes.input.value, rows);
    warnings.replaceChildren(...found.map((words) => make("li", {}, words)));
  };
  const set = (name, value) => {
    kinds[name].input.checked = true;
    inputs[name].input.value = value;
    update();
    inputs[name].input.focus();
  };
  const round = (value) => String(Math.round(value * 100) / 100);
  const amps = sum(rows.map(sixAmps));
  const presets = make("div", { class: "buttons presets", role: "group", "aria-label": t("ask.presets") });
  if (amps !== null && rows.length) presets.append(button(t("ask.preset.amps", { limit: kw(amps) }), () => set("allowedLoad", round(amps))));
  presets.append(
    button(t("ask.preset.percent"), () => set("percentShed", "50")),
    button(count > 1 ? t("ask.preset.each", { limit: kw(MIN_KW * count) }) : kw(MIN_KW), () => set("allowedLoad", round(MIN_KW * count))),
  );
  const box = make("fieldset", {}, make("legend", {}, t("ask.how_far")), presets, ...Object.values(kinds).map(({ label }) => label), ...Object.values(inputs).map(({ label }) => label));
  for (const { input } of [...Object.values(kinds), ...Object.values(inputs), minutes]) {
    input.addEventListener("input", update);
    input.addEventListener("change", update);
  }
  update();
  return [...facts(rows), box, minutes.label, make("p", { class: "hint" }, t("ask.minutes.hint")), make("div", { id: "ask-warnings", role: "status" }, warnings)];
}

function warningsOf(kind, value, minutes, rows) {
  const found = [];
  const limit = Number(value), isGiven = value !== "" && Number.isFinite(limit);
  const loads = rows.map((row) => (row.isAway ? null : row.load.value));
  const load = sum(loads), rating = sum(rows.map((row) => row.rating));
  const unknown = loads.filter((each) => each === null).length;
  if (kind === "allowedLoad" && isGiven) {
    const least = sum(rows.map(sixAmps)) ?? MIN_KW * rows.length;
    if (limit === 0) found.push(t("ask.warn.zero"));
    else if (limit < least - 0.005) found.push(t("ask.warn.low", { limit: kw(least) }));
    if (rating !== null && rows.length && limit >= rating) found.push(t("ask.warn.rating", { rating: kw(rating) }));
    else if (load !== null && rows.length && limit >= load) found.push(t("ask.warn.load", { load: kw(load) }));
  }
  if (kind === "percentShed") found.push(limit === 100 && isGiven ? t("ask.warn.zero") : t("ask.warn.percent"));
  if (unknown) found.push(t("ask.warn.unknown", { n: unknown }));
  const shed = rows.filter((row) => row.state.value === 1).length;
  if (shed) found.push(t("ask.warn.shed", { n: shed }));
  if (minutes === "0") found.push(t("ask.warn.endless"));
  return found;
}
