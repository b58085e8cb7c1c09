// The page: takes what the stream says and puts it where it belongs.

import { ask } from "./ask.js";
import { Chart } from "./chart.js";
import { Stream } from "./stream.js";
import { buildGroup, buildPort, isWanted, undecided, updateGroup, updatePort } from "./tiles.js";
import { DASH, UNKNOWN, ago, clock, keep, kw, lasting, make, now, place, round, say, setTime, since } from "./words.js";

const part = (name) => document.getElementById(name);
const chart = new Chart(part("chart"), part("chart-says"), part("numbers"));
const stations = new Map();
let state = null;
let heard = 0;
let queued = false;
let fading = 0;

const context = {
  sessions: [],
  // Station and port to what is wrong there, in words.
  troubles: new Map(),
  done: (words, milliseconds = 8000) => {
    say(part("said"), words);
    clearTimeout(fading);
    fading = setTimeout(() => say(part("said"), ""), milliseconds);
  },
  isDirect: (account) => Boolean(state && state.health.accounts.some((each) => each.account === account && each.direct)),
  sessionsOld: (account) => (state && (stream.isAway || account in state.sessions.errors) ? state.sessions.readAt : null),
  sessionsKnown: (account) => Boolean(state && state.sessions.readAt && !(account in state.sessions.errors)),
  get away() {
    return stream.isAway;
  },
};

const stream = new Stream(
  {
    stations: ({ changed, gone }) => {
      for (const each of changed) stations.set(`${each.account} ${each.cpid}`, each);
      for (const [account, cpid] of gone) stations.delete(`${account} ${cpid}`);
      draw();
    },
    state: (found) => {
      const isFirst = !heard;
      state = found;
      heard = Date.now();
      setTime(found.time);
      context.sessions = found.sessions.sessions;
      context.troubles = troubles(found);
      if (isFirst) load();
      else chart.add(found.sample, now());
      draw();
    },
  },
  () => draw(),
);

function troubles({ alarms, maintenance }) {
  const found = new Map();
  const add = (each, words) => {
    const key = `${each.account} ${each.cpid} ${each.connectorId}`;
    found.set(key, [...(found.get(key) ?? []), words]);
  };
  for (const each of maintenance) add(each, `Needs maintenance: ${each.reason}.`);
  for (const each of alarms) add(each, `Alarm: ${each.alarmType}${each.alarmTime ? `, since ${clock(each.alarmTime)}` : ""}.`);
  return found;
}

async function load() {
  const hours = Number(part("hours").value);
  try {
    const answer = await fetch(`/api/v1/load?hours=${hours}`, { cache: "no-store" });
    if (answer.ok) chart.set((await answer.json()).samples, hours, now());
  } catch {
    // The stream says that the server is away; the chart goes on with what it has.
  }
}

// Many messages in one moment are drawn once.
function draw() {
  if (queued) return;
  queued = true;
  requestAnimationFrame(() => {
    queued = false;
    drawLive();
    if (state) drawAll();
  });
}

function drawLive() {
  const live = part("live");
  const away = stream.isAway;
  live.className = `live ${away ? "off" : heard ? "on" : ""}`;
  if (away) say(live, heard ? `Connection lost; what is shown is ${lasting(Math.floor((Date.now() - heard) / 5000) * 5)} old` : "The server cannot be reached; trying again");
  else if (heard) say(live, "Connected");
  document.body.classList.toggle("away", away);
}

function drawAll() {
  drawNotices();
  drawFigures();
  part("groups-part").hidden = !state.groups.length;
  keep(part("groups"), state.groups, (group) => `${group.account} ${group.group}`, (group) => buildGroup(group, context), (item, group) => updateGroup(item, group, context));
  drawPorts();
  drawAlarms();
  drawCare();
  drawSessions();
}

function drawNotices() {
  const { health, alerts } = state;
  const found = health.faults.map((fault) => fault);
  for (const account of health.accounts) {
    // One cause often has many effects: those of a kind are said once.
    const kinds = Map.groupBy ? Map.groupBy(Object.entries(account.errors), ([, error]) => error.code) : new Map(Object.entries(account.errors).map((each) => [each[0], [each]]));
    for (const errors of kinds.values()) {
      const calls = errors.length > 1 ? `${errors.map(([call]) => call).sort().join(", ")} do not work. ` : "";
      found.push(`Account ${account.account}: ${calls}${errors[0][1].message} [${errors[0][1].code}]`);
    }
  }
  // What is over is no present trouble.
  for (const alert of alerts.filter((each) => !each.over).slice(0, 5)) found.push(`${clock(alert.time)}, ${alert.about}: ${alert.what}`);
  keep(part("notices"), [...new Set(found)], (words) => words, (words) => make("li", {}, words), () => {});
}

function drawFigures() {
  const { site } = state;
  const lists = unlisted();
  const some = [missing(site.portsUnknown), lists].filter(Boolean).join(", ");
  const old = stream.isAway ? `as of ${clock(state.time)}` : "";
  const least = site.load !== null && some ? "at least " : "";
  const rows = [
    ["Load", site.load === null && !some ? DASH : `${least}${kw(site.load)}`, [some, old].filter(Boolean).join(", ")],
    ["Most allowed", kw(site.allowed), site.allowed === null ? lists || "a limit or rating is unknown" : ""],
    ["Headroom", headroom(site), headroomNote(site) || lists],
    ["Charging", counted(site.portsCharging, site.ports - site.portsUnknown), some],
    ["Shed", counted(site.portsShed, site.ports - site.portsShedUnknown), [missing(site.portsShedUnknown), lists].filter(Boolean).join(", ")],
  ];
  const build = ([name]) => {
    const value = make("dd", {}, make("span"), make("small"));
    return make("div", {}, make("dt", {}, name), value);
  };
  keep(part("figures"), rows, ([name]) => name, build, (item, [, value, note]) => {
    say(item.querySelector("span"), value);
    say(item.querySelector("small"), note);
  });
}

// Headroom is siteHeadroom, here and in the points: the commanded limit minus the load.
function headroom(site) {
  if (site.headroom !== null) return kw(site.headroom);
  return site.portsUnlimited && !site.portsUnknown && !site.accountsUnknown ? "no limit" : UNKNOWN;
}

function headroomNote(site) {
  if (site.headroom !== null || !site.portsUnlimited) return "";
  if (site.portsUnknown) return missing(site.portsUnknown);
  return site.portsUnlimited === site.ports ? "no limit is commanded" : `no limit is commanded for ${site.portsUnlimited} of ${site.ports} ports`;
}

function counted(number, of) {
  return number === null ? UNKNOWN : `${number} of ${of}`;
}

function missing(number) {
  return number ? `${number} ${number === 1 ? "port" : "ports"} unknown` : "";
}

// What is said where the stations of an account were never listed.
function unlisted() {
  const number = state.site.accountsUnknown;
  return number ? `stations of ${number} ${number === 1 ? "account" : "accounts"} unknown` : "";
}

// "Unknown" where there is nothing, and somebody could not be asked.
function noneOr(number, words) {
  return number || state.site.accountsUnknown ? "Unknown at present" : words;
}

function drawPorts() {
  const ports = [...stations.values()].flatMap((station) => station.ports);
  const shown = ports.filter((port) => isWanted(port, part("only").value, part("find").value.trim(), context));
  keep(part("ports"), shown, (port) => `${port.account} ${port.cpid} ${port.connectorId}`, (port) => buildPort(port, context), (item, port) => updatePort(item, port, context));
  const open = undecided(ports, part("only").value);
  const all = shown.length === ports.length ? `${ports.length} ports` : `${shown.length} of ${ports.length} ports`;
  say(part("count"), [ports.length ? all : unlisted() ? "" : "This account has no stations", open ? `of ${open} it is unknown` : "", unlisted()].filter(Boolean).join("; "));
}

function drawAlarms() {
  say(part("alarms-say"), [missing(state.alarmsUnknown), unlisted()].filter(Boolean).join(", "));
  list(part("alarms"), state.alarms, noneOr(state.alarmsUnknown, "No alarm"), (alarm) => `${alarm.account} ${alarm.cpid} ${alarm.connectorId} ${alarm.alarmType} ${alarm.alarmTime} ${alarm.asOf}`, (alarm) => {
    const button = make("button", { type: "button", "aria-label": `Clear alarms of ${alarm.name || alarm.cpid}` }, "Clear …");
    button.addEventListener("click", () => ask("clear-alarms", alarm, context.done));
    return [make("span", {}, make("strong", {}, alarm.alarmType), ` ${place(alarm)}`), make("span", { class: "hint" }, `${alarm.alarmTime ? `since ${clock(alarm.alarmTime)}` : DASH}${alarm.asOf ? `, as of ${clock(alarm.asOf)}` : ""}`), button];
  });
}

function drawCare() {
  say(part("care-say"), [missing(state.maintenanceUnknown), unlisted()].filter(Boolean).join(", "));
  list(part("care"), state.maintenance, noneOr(state.maintenanceUnknown, "None"), (each) => `${each.account} ${each.cpid} ${each.connectorId} ${each.reason}`, (each) => [
    make("span", {}, place(each)),
    make("strong", {}, each.reason),
  ]);
}

function list(element, things, none, keyOf, build) {
  if (!things.length) {
    keep(element, [none], (words) => words, () => make("li", { class: "none" }, none), () => {});
    return;
  }
  keep(element, things, keyOf, (thing) => make("li", {}, ...build(thing)), () => {});
}

function drawSessions() {
  const { sessions, errors, readAt } = state.sessions;
  const wrong = Object.entries(errors).map(([account, error]) => `Account ${account}: ${error.message}`);
  say(part("sessions-say"), [...wrong, readAt ? `as of ${ago(readAt)}` : "unknown: not read yet", readAt && !sessions.length && !wrong.length ? "no session" : ""].filter(Boolean).join("; "));
  const names = new Map([...stations.values()].map((station) => [`${station.account} ${station.cpid}`, station.name]));
  const recent = [...sessions].reverse().slice(0, 100);
  const labels = ["Port", "Began", "Ended", "Lasted", "Energy, kWh"];
  keep(
    part("sessions"),
    recent,
    (each) => `${each.account} ${each.cpid} ${each.transactionId} ${each.startTime}`,
    () => make("tr", {}, ...labels.map((label) => make("td", { "data-label": label }))),
    (row, each) => {
      const lasts = each.durationSecs ?? (each.startTime && !each.endTime ? since(each.startTime) : null);
      const words = [
        place({ ...each, name: names.get(`${each.account} ${each.cpid}`) }),
        clock(each.startTime),
        each.endTime ? clock(each.endTime) : "charging",
        lasting(lasts),
        each.energy === null ? DASH : round(each.energy / 1000),
      ];
      words.forEach((word, index) => say(row.children[index], word));
    },
  );
}

part("hours").addEventListener("change", load);
part("find").addEventListener("input", draw);
part("only").addEventListener("change", draw);
part("filter").addEventListener("submit", (event) => event.preventDefault());
// Ages grow also when nothing comes.
setInterval(draw, 1000);
