// What is known of all accounts: filled by the stream, read by the views.

import { clock, setTime } from "./format.js";
import { t, word } from "./texts.js";
import { keyOf, rowOf } from "./values.js";

const ISO_TIME = /\b\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)/g;

class Model {
  constructor() {
    this.stations = new Map();
    this.state = null;
    this.sessions = { sessions: [], errors: {}, readAt: null };
    this.time = "";
    this.away = false;
    // When something came last, in this browser's time; 0 for never.
    this.heard = 0;
    this.running = new Map();
    this.problems = new Map();
    this.cached = null;
  }

  // `more`: these are the first, and the others follow.
  takeStations({ changed, gone, more }) {
    this.isPartial = Boolean(more);
    for (const each of changed) this.stations.set(`${each.account} ${each.cpid}`, each);
    for (const [account, cpid] of gone) this.stations.delete(`${account} ${cpid}`);
    this.cached = null;
  }

  takeState(state) {
    this.state = { ...state, sessions: this.sessions, time: this.time };
    this.problems = problems(state);
    this.cached = null;
  }

  takeSessions(sessions) {
    this.sessions = sessions;
    if (this.state) this.state.sessions = sessions;
    this.running = new Map();
    for (const each of sessions.sessions) if (each.endTime === null) this.running.set(keyOf(each), each);
    this.cached = null;
  }

  takeAlive({ time }) {
    this.heard = Date.now();
    this.time = time;
    if (this.state) this.state.time = time;
    setTime(time);
  }

  setAway(away) {
    if (this.away !== away) this.cached = null;
    this.away = away;
  }

  // The ages of values grow also when nothing comes.
  age() {
    this.cached = null;
  }

  // Every port as it is shown, in the order of the accounts and their stations.
  get rows() {
    if (this.cached) return this.cached;
    const rows = [];
    for (const station of this.stations.values()) for (const port of station.ports) rows.push(rowOf(port, station, this));
    this.cached = rows;
    return rows;
  }

  // Alarms and maintenance of a port or its station.
  problemsOf(port) {
    return [...(this.problems.get(keyOf(port)) ?? []), ...(this.problems.get(`${port.account} ${port.cpid} null`) ?? [])];
  }

  get groups() {
    return this.state ? this.state.groups : [];
  }

  nameOf(account, cpid) {
    return this.stations.get(`${account} ${cpid}`)?.name ?? null;
  }

  groupName(account, group) {
    const found = this.groups.find((each) => each.account === account && each.group === group);
    return found?.name ?? t("group.id", { id: group });
  }

  // A text of the driver with the names of stations behind their ids.
  named(words) {
    for (const [, station] of this.stations) {
      if (station.name && station.name !== station.cpid && words.includes(station.cpid)) {
        const id = station.cpid.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
        words = words.replace(new RegExp(`(?<![\\w:.-])${id}(?![\\w-])`, "g"), `${station.name} (${station.cpid})`);
      }
    }
    // Times of the driver are UTC; here all times are those of the site.
    return words.replace(ISO_TIME, (time) => clock(time));
  }

  isDirect(account) {
    return Boolean(this.state && this.state.health.accounts.some((each) => each.account === account && each.direct));
  }

  sessionsOld(account) {
    return this.state && (this.away || account in this.state.sessions.errors) ? this.state.sessions.readAt : null;
  }

  sessionsKnown(account) {
    return Boolean(this.state && this.state.sessions.readAt && !(account in this.state.sessions.errors));
  }
}

export const model = new Model();

function problems({ alarms, maintenance }) {
  const found = new Map();
  const add = (each, trouble) => {
    const key = keyOf(each);
    found.set(key, [...(found.get(key) ?? []), trouble]);
  };
  for (const each of maintenance) {
    const reason = word("reason", each.reason);
    add(each, { kind: `maintenance:${each.reason}`, name: t("trouble.maintenance", { reason }), words: t("trouble.maintenance.words", { reason }) + noted(each) });
  }
  for (const each of alarms) {
    const since = each.alarmTime ? t("trouble.alarm.since", { type: each.alarmType, time: clock(each.alarmTime) }) : t("trouble.alarm.words", { type: each.alarmType });
    add(each, { kind: `alarm:${each.alarmType}`, name: t("trouble.alarm", { type: each.alarmType }), words: since + noted(each) });
  }
  return found;
}

function noted(each) {
  return each.acknowledged ? ` ${t("trouble.acknowledged", { note: each.note ?? "" }).trim()}` : "";
}
