// A tile for each port and for each station group. What cannot be read now is shown as it was, and
// says so.

import { ask } from "./ask.js";
import { DASH, UNKNOWN, ago, clock, kw, lasting, make, now, percent, place, say, since, text } from "./words.js";

// Values are asked for every 30 s or more often; older than this they are old.
const OLD_MS = 120000;

const STATUSES = {
  AVAILABLE: ["Available", "calm"],
  INUSE: ["In use", "calm"],
  UNREACHABLE: ["Out of reach", "bad"],
  UNKNOWN: ["Unknown", "warn"],
  Charging: ["Charging", "good"],
  Faulted: ["Faulted", "bad"],
  Unavailable: ["Out of service", "warn"],
  SuspendedEVSE: ["Held by charger", "warn"],
  SuspendedEV: ["Held by vehicle", "calm"],
};
const SHEDS = { none: "", pending: "warn", "in force": "warn", released: "", failed: "bad", violated: "bad", contested: "bad", adopted: "warn", expired: "bad" };
// A shed in one of these is trouble.
const SHED_TROUBLE = new Set(["failed", "violated", "contested", "expired"]);

// A value and since when it is old; `old` is null when it is as new as it can be. `failed`: it
// cannot be read and was never known.
function known(thing, name, context, call) {
  if (name in thing.values) {
    const at = Date.parse(thing.readAt[call] ?? "");
    const old = context.away || now() - at > OLD_MS ? thing.readAt[call] : null;
    return { value: thing.values[name], old, failed: false };
  }
  const last = thing.lastKnown[name];
  return last ? { value: last.value, old: last.readAt, failed: false } : { value: null, old: null, failed: name in thing.errors };
}

// The words for a value that a station need not report.
function orDash(shown, words) {
  return shown.value !== null ? words(shown.value) : shown.failed ? UNKNOWN : DASH;
}

function put(element, shown, words) {
  say(element, words);
  element.classList.toggle("old", Boolean(shown.old));
}

// Since when the oldest of them is old; "" while none is.
function asOf(...each) {
  const times = each.map((shown) => shown.old).filter(Boolean).sort();
  return times.length ? `Not current: as it was ${ago(times[0])}` : "";
}

// Why something cannot be read. The message for a whole account stands above; here is its short form.
const OF_ACCOUNT = {
  try_later: "the service is out of reach",
  wrong_credentials: "the user name or password is refused",
  bad_configuration: "the configuration is wrong",
};

// What is wrong with it, in words; [] when nothing is.
export function troublesOf(thing, context) {
  const found = [...(context.troubles.get(keyOf(thing)) ?? []), ...(context.troubles.get(`${thing.account} ${thing.cpid} null`) ?? [])];
  const status = thing.values.shedStatus;
  if (SHED_TROUBLE.has(status)) found.push(`Shed ${status}.`);
  const errors = Object.values(thing.errors);
  for (const error of errors.slice().sort((one, other) => (one.code in OF_ACCOUNT) - (other.code in OF_ACCOUNT))) {
    found.push(error.code in OF_ACCOUNT ? `Not read: ${OF_ACCOUNT[error.code]}.` : `${error.message} [${error.code}]`);
  }
  return [...new Set(found)];
}

function troubleOf(thing, context) {
  return troublesOf(thing, context).slice(0, 3).join(" ");
}

function keyOf(thing) {
  return `${thing.account} ${thing.cpid} ${thing.connectorId}`;
}

function facts(names) {
  const parts = {};
  const list = make("dl", { class: "facts" });
  for (const [key, label] of names) {
    parts[key] = make("dd");
    list.append(make("dt", {}, label), parts[key]);
    if (key === "shed") {
      parts.reason = make("dd", { class: "wide" });
      list.append(parts.reason);
    }
  }
  return { list, parts };
}

function buttons(thing, names, done) {
  const labels = { shed: "Shed …", clear: "Clear …", start: "Start …", stop: "Stop …" };
  const box = make("div", { class: "buttons" });
  for (const name of names) {
    const button = make("button", { type: "button", "data-do": name, "aria-label": `${labels[name].replace(" …", "")} ${place(thing)}` }, labels[name]);
    button.addEventListener("click", () => ask(name, box.thing, done));
    box.append(button);
  }
  box.thing = thing;
  return box;
}

function bar() {
  const fill = make("i"), mark = make("b");
  const meter = make("div", { class: "meter", role: "meter", "aria-label": "Load", "aria-valuemin": "0" }, fill, mark);
  return { meter, fill, mark };
}

function fillBar({ meter, fill, mark }, load, most, limit) {
  const full = Math.max(most ?? 0, load ?? 0, 0.1);
  fill.style.width = `${(100 * (load ?? 0)) / full}%`;
  mark.hidden = limit === null || limit === undefined;
  mark.style.left = mark.hidden ? "0" : `min(calc(100% - 3px), ${(100 * Math.min(limit, full)) / full}%)`;
  meter.setAttribute("aria-valuemax", full.toFixed(1));
  // A meter must have a number; what is read out is the text.
  meter.setAttribute("aria-valuenow", (load ?? 0).toFixed(1));
  meter.setAttribute("aria-valuetext", load === null ? UNKNOWN : `${kw(load)} of ${kw(most)}`);
}

export function buildPort(port, context) {
  const { list, parts } = facts([
    ["load", "Load"], ["limit", "Limit in force"], ["shed", "Shed"], ["battery", "Battery"], ["session", "Session"], ["contact", "Last contact"],
  ]);
  const item = make("li");
  const head = make("h3", {}, port.name || port.cpid, make("span", { class: "where" }, `port ${port.connectorId} · ${port.cpid}`));
  const chip = make("span", { class: "chip" });
  const old = make("p", { class: "as-of" });
  const trouble = make("p", { class: "trouble" });
  const meter = bar();
  const box = buttons(port, context.isDirect(port.account) ? ["shed", "clear", "start", "stop"] : ["shed", "clear"], context.done);
  const tile = make("article", { class: "tile" }, make("div", { class: "head" }, head, chip), old, meter.meter, list, trouble, box);
  item.append(tile);
  item.parts = { ...parts, head, chip, old, trouble, meter, box, tile };
  return item;
}

export function updatePort(item, port, context) {
  const { parts } = item;
  const load = known(port, "portLoad", context, "getLoad");
  const status = statusOf(port, load, context);
  // Of a station out of reach the service repeats what it was told last.
  if (isAway(port) && load.value !== null) load.old ??= port.values.TimeStamp ?? port.readAt.getLoad;
  const shed = known(port, "shedState", context, "getLoad");
  const share = known(port, "percentShed", context, "getLoad").value;
  const allowed = known(port, "allowedLoad", context, "getLoad").value;
  const limit = shed.value === 1 && !share ? allowed : null;
  parts.box.thing = port;
  say(parts.chip, status.words);
  parts.chip.className = `chip ${status.look}`;
  parts.tile.className = `tile ${status.look}${load.old || status.old ? " stale" : ""}`;
  fillBar(parts.meter, load.value, port.station.Power ?? null, limit);
  const estimated = port.values.portLoadEstimated === 1 ? ", estimated" : "";
  put(parts.load, load, load.value === null ? UNKNOWN : port.station.Power === null || port.station.Power === undefined ? `${kw(load.value)}${estimated}` : `${kw(load.value)} of ${kw(port.station.Power)}${estimated}`);
  put(parts.limit, shed, shed.value === 0 ? "none" : shed.value === 1 ? (share ? `${share} % shed` : kw(allowed)) : UNKNOWN);
  putShed(parts, port, context);
  const battery = known(port, "SoC" in port.values || "SoC" in port.lastKnown ? "SoC" : "lastBatteryPercent", context, "getLoad");
  put(parts.battery, battery, orDash(battery, percent));
  put(parts.session, { old: context.sessionsOld(port.account) }, sessionOf(port, context));
  const contact = known(port, "TimeStamp", context, "getStationStatus");
  put(parts.contact, { old: null }, orDash(contact, ago));
  say(parts.old, asOf(load, status, shed));
  say(parts.trouble, troubleOf(port, context));
}

function isAway(port) {
  return port.values.Status === "UNREACHABLE";
}

function statusOf(port, load, context) {
  const found = known(port, "Status", context, "getStationStatus");
  const own = known(port, "ocppStatus", context, "getStationStatus");
  const word = found.value === "UNREACHABLE" || !own.value ? found.value : own.value;
  let [words, look] = STATUSES[word] ?? [word ?? "Unknown", word ? "calm" : "warn"];
  if (word === "INUSE" && load.value > 0) [words, look] = STATUSES.Charging;
  if (found.old) return { words: `${words}?`, look: "warn", old: found.old };
  return { words, look, old: null };
}

function putShed(parts, thing, context) {
  const status = known(thing, "shedStatus", context, "getLoad");
  const reason = known(thing, "shedReason", context, "getLoad").value;
  const { commandedLoad, commandedPercent, commandedTime } = thing.values;
  const wanted = typeof commandedLoad === "number" ? `to ${kw(commandedLoad)}` : typeof commandedPercent === "number" ? `by ${commandedPercent} %` : "";
  put(parts.shed, status, status.value === null ? UNKNOWN : `${status.value}${wanted ? `, ${wanted}` : ""}`);
  parts.shed.dataset.look = SHEDS[status.value] ?? "";
  const since = commandedTime && status.value !== "none" ? `commanded ${clock(commandedTime)}` : "";
  const { shedEnds, stagedLoad, stagedPercent, measuredReduction, commandLease } = thing.values;
  const lease = shedEnds && commandLease ? ` unless its writer writes again within ${commandLease} s` : "";
  const ends = shedEnds ? `ends at ${clock(shedEnds)}${lease}` : "";
  const staged = typeof stagedLoad === "number" ? `${kw(stagedLoad)}` : typeof stagedPercent === "number" ? `${stagedPercent} %` : "";
  const waiting = staged && `written and not sent: ${staged}`;
  const reduced = typeof measuredReduction === "number" ? `measured reduction ${kw(measuredReduction)}` : "";
  say(parts.reason, [reason, since, ends, reduced, waiting].filter(Boolean).join("; "));
}

function sessionOf(port, context) {
  const running = context.sessions.findLast?.((each) => each.endTime === null && each.account === port.account && each.cpid === port.cpid && each.connectorId === port.connectorId);
  if (!running) return context.sessionsKnown(port.account) ? DASH : UNKNOWN;
  const energy = running.energy === null ? DASH : `${(running.energy / 1000).toFixed(1)} kWh`;
  return `${energy}, ${lasting(since(running.startTime))}`;
}

export function isWanted(port, only, find, context) {
  const words = `${port.name ?? ""} ${port.cpid} ${port.account} ${port.connectorId}`.toLowerCase();
  if (find && !words.includes(find.toLowerCase())) return false;
  if (only === "charging") return !isAway(port) && (port.values.portLoad ?? 0) > 0;
  if (only === "shed") return port.values.shedState === 1 || !["none", "released", undefined, null].includes(port.values.shedStatus);
  if (only === "trouble") return troublesOf(port, context).length > 0;
  return true;
}

// The number of ports of which it is not known whether the filter shows them.
export function undecided(ports, only) {
  const unknown = { charging: (port) => isAway(port) || (port.values.portLoad ?? null) === null, shed: (port) => (port.values.shedState ?? null) === null };
  return only in unknown ? ports.filter(unknown[only]).length : 0;
}

export function buildGroup(group, context) {
  const { list, parts } = facts([["load", "Load"], ["limit", "Total commanded"], ["room", "Headroom"], ["shed", "Shed"]]);
  const old = make("p", { class: "as-of" });
  const trouble = make("p", { class: "trouble" });
  const box = buttons(group, ["shed", "clear"], context.done);
  const head = make("h3", {}, text(group.name ?? `Group ${group.group}`), make("span", { class: "where" }, `${group.stations.length} stations · group ${group.group}`));
  const tile = make("article", { class: "tile" }, make("div", { class: "head" }, head), old, list, trouble, box);
  const item = make("li", {}, tile);
  item.parts = { ...parts, old, trouble, box, tile };
  return item;
}

export function updateGroup(item, group, context) {
  const { parts } = item;
  parts.box.thing = group;
  const load = known(group, "siteLoad", context, "getLoad");
  const { commandedLoad, commandedPercent } = group.values;
  put(parts.load, load, kw(load.value));
  const wanted = known(group, "commandedLoad", context, "getLoad");
  put(parts.limit, wanted, typeof commandedPercent === "number" ? `${commandedPercent} % shed` : typeof commandedLoad === "number" ? kw(commandedLoad) : wanted.failed ? UNKNOWN : "none");
  // siteHeadroom is the commanded limit minus the load: without a limit there is none.
  const room = known(group, "siteHeadroom", context, "getLoad");
  put(parts.room, room, room.value !== null ? kw(room.value) : room.failed || load.value === null ? UNKNOWN : "no limit commanded");
  putShed(parts, group, context);
  say(parts.old, asOf(load));
  say(parts.trouble, troubleOf(group, context));
  parts.tile.classList.toggle("stale", Boolean(load.old));
}
