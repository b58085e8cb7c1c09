// A port's values as the page shows them: what cannot be read now is as it was, with its time.

import { DASH, UNKNOWN, ago, clock, kw, kwh, lasting, now, place, since } from "./format.js";
import { mayCommand } from "./roles.js";
import { t, word } from "./texts.js";

// Values are asked for every 30 s or more often; older than this they are old.
const OLD_MS = 120000;

const LOOKS = {
  AVAILABLE: "calm", INUSE: "calm", UNREACHABLE: "bad", UNKNOWN: "warn", Charging: "good", Faulted: "bad",
  Unavailable: "warn", SuspendedEVSE: "warn", SuspendedEV: "calm",
};
export const SHED_LOOKS = { none: "", pending: "warn", "in force": "warn", released: "", failed: "bad", violated: "bad", contested: "bad", adopted: "warn", expired: "bad" };
// A shed in one of these is trouble.
const SHED_TROUBLE = new Set(["failed", "violated", "contested", "expired"]);
// Why something cannot be read. The message for a whole account stands above; here is its short form.
const OF_ACCOUNT = new Set(["try_later", "wrong_credentials", "bad_configuration"]);

export function keyOf(thing) {
  return `${thing.account} ${thing.cpid} ${thing.connectorId}`;
}

// A value and since when it is old; `old` is null when it is as new as it can be. `failed`: it
// cannot be read and was never known.
export function known(thing, name, away, call) {
  if (name in thing.values) {
    const at = Date.parse(thing.readAt[call] ?? "");
    const old = away || now() - at > OLD_MS ? thing.readAt[call] : null;
    return { value: thing.values[name], old, failed: false };
  }
  const last = thing.lastKnown[name];
  return last ? { value: last.value, old: last.readAt, failed: false } : { value: null, old: null, failed: name in thing.errors };
}

// The words for a value that a station need not report.
export function orDash(shown, words) {
  return shown.value !== null ? words(shown.value) : shown.failed ? UNKNOWN : DASH;
}

// Since when the oldest of them is old; "" while none is.
export function asOf(...each) {
  const times = each.map((shown) => shown.old).filter(Boolean).sort();
  return times.length ? t("not_current", { ago: ago(times[0]) }) : "";
}

// What is wrong with a thing, as {kind, words, name}; [] when nothing is. `problems` are its alarms
// and its maintenance.
export function troublesOf(thing, problems = []) {
  const found = [...problems];
  const status = thing.values.shedStatus;
  if (SHED_TROUBLE.has(status)) found.push({ kind: `shed:${status}`, name: t("trouble.shed", { status: word("shed", status) }), words: t("trouble.shed.words", { status: word("shed", status) }) });
  const errors = Object.values(thing.errors).sort((one, other) => OF_ACCOUNT.has(one.code) - OF_ACCOUNT.has(other.code));
  for (const { code, message } of errors) {
    const name = t("trouble.read", { reason: word("error", code) });
    found.push({ kind: `read:${code}`, name, words: OF_ACCOUNT.has(code) ? `${name}.` : `${message} [${code}]` });
  }
  const seen = new Set();
  return found.filter(({ words }) => !seen.has(words) && seen.add(words));
}

// Everything that tile, table and panel show of a port.
export function rowOf(port, station, model) {
  const { away } = model;
  const load = known(port, "portLoad", away, "getLoad");
  const status = statusOf(port, load, away);
  const isAway = port.values.Status === "UNREACHABLE";
  // Of a station out of reach the service repeats the last report.
  if (isAway && load.value !== null) load.old ??= port.values.TimeStamp ?? port.readAt.getLoad;
  const state = known(port, "shedState", away, "getLoad");
  const share = known(port, "percentShed", away, "getLoad").value;
  const allowed = known(port, "allowedLoad", away, "getLoad").value;
  const key = keyOf(port);
  const session = model.running.get(key) ?? null;
  const contact = known(port, "TimeStamp", away, "getStationStatus");
  return {
    key, port, station, load, status, isAway, state, session, contact,
    account: port.account,
    cpid: port.cpid,
    connectorId: port.connectorId,
    name: port.name,
    place: place(port),
    groups: station.groups,
    rating: port.station.Power ?? null,
    limit: state.value === 1 && !share ? allowed : null,
    share: state.value === 1 ? share : null,
    shed: known(port, "shedStatus", away, "getLoad"),
    battery: known(port, "SoC" in port.values || "SoC" in port.lastKnown ? "SoC" : "lastBatteryPercent", away, "getLoad"),
    troubles: troublesOf(port, model.problemsOf(port)),
  };
}

function statusOf(port, load, away) {
  const found = known(port, "Status", away, "getStationStatus");
  const own = known(port, "ocppStatus", away, "getStationStatus");
  let code = found.value === "UNREACHABLE" || !own.value ? found.value : own.value;
  if (code === "INUSE" && load.value > 0) code = "Charging";
  code ??= "UNKNOWN";
  const words = word("status", code);
  if (found.old) return { code, words: `${words}?`, look: "warn", old: found.old };
  return { code, words, look: LOOKS[code] ?? "calm", old: null };
}

export function loadWords(row) {
  if (row.load.value === null) return UNKNOWN;
  const estimated = row.port.values.portLoadEstimated === 1 ? t("estimated") : "";
  return `${row.rating === null ? kw(row.load.value) : t("of", { value: kw(row.load.value), most: kw(row.rating) })}${estimated}`;
}

export function limitWords(row) {
  if (row.state.value === 0) return t("none");
  if (row.state.value !== 1) return UNKNOWN;
  return row.share ? t("percent_shed", { n: row.share }) : kw(row.limit);
}

export function shedWords(thing, shown) {
  if (shown.value === null) return UNKNOWN;
  const { commandedLoad, commandedPercent } = thing.values;
  const wanted = typeof commandedLoad === "number" ? t("shed.to", { limit: kw(commandedLoad) }) : typeof commandedPercent === "number" ? t("shed.by", { n: commandedPercent }) : "";
  return [word("shed", shown.value), wanted].filter(Boolean).join(", ");
}

// What is to be said besides of a shed: why, since when, until when, what it changed, what waits.
// `reason` is in the driver's words.
export function shedNotes(thing, shown, reason) {
  const { commandedTime, shedEnds, stagedLoad, stagedPercent, measuredReduction, commandLease } = thing.values;
  const staged = typeof stagedLoad === "number" ? kw(stagedLoad) : typeof stagedPercent === "number" ? `${stagedPercent} %` : "";
  const ends = shedEnds ? t("shed.ends", { time: clock(shedEnds) }) + (commandLease ? t("shed.lease", { n: commandLease }) : "") : "";
  return [
    reason,
    commandedTime && shown.value !== "none" ? t("shed.commanded", { time: clock(commandedTime) }) : "",
    ends,
    typeof measuredReduction === "number" ? t("shed.reduction", { load: kw(measuredReduction) }) : "",
    staged && t("shed.staged", { limit: staged }),
  ].filter(Boolean).join("; ");
}

export function sessionWords(row, model) {
  if (!row.session) return model.sessionsKnown(row.account) ? DASH : UNKNOWN;
  const energy = kwh(row.session.energy);
  return t("session.words", { energy, time: lasting(since(row.session.startTime)) });
}

// The commands that can do something for a port, a station or a group now, and that the user may send.
export function commandsOf(thing, model) {
  const { shedState, shedStatus, stagedLoad, stagedPercent } = thing.values;
  const isShed = shedState === 1 || !["none", "released", undefined, null].includes(shedStatus);
  const isStaged = typeof stagedLoad === "number" || typeof stagedPercent === "number";
  const found = ["shed"];
  if (isShed || isStaged) found.push("clear");
  if (thing.connectorId && model.isDirect(thing.account)) found.push(model.running.has(keyOf(thing)) ? "stop" : "start");
  return found.filter(mayCommand);
}
