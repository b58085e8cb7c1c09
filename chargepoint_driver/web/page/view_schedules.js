// Schedules: limits by weekday and hour in a week, rules, exceptions, next changes, the log.

import { done, post } from "./ask.js";
import { button, keep, list, make, options, part, say } from "./dom.js";
import { ago, clock, zoneName } from "./format.js";
import { model } from "./model.js";
import { get } from "./read.js";
import { may, whyNot } from "./roles.js";
import { deleteException, deleteGroup, deleteRule, exceptionForm, groupForm, holidaysForm, newException, newRule, ruleForm } from "./schedule_forms.js";
import { logSection } from "./schedule_log.js";
import { WeekGrid } from "./schedule_week.js";
import { deviceWords, holidaysOf, limit, seasonOf, timesOf, weekdaysOf, wholeDate } from "./schedule_words.js";
import { t } from "./texts.js";
import { url } from "./url.js";
import { heading, section } from "./words.js";

const AGAIN_MS = 10000;
const WEEK_DAYS = 7;
const MAX_CHANGES = 12;
const MAX_DEVICES = 8;
const RULE_COLUMNS = ["name", "weekdays", "times", "limit", "season", "on_holidays"];
const EXCEPTION_COLUMNS = ["date", "times", "limit", "name", "group"];

export function build(root) {
  const mayEdit = may("PATCH", "schedule");
  let schedule = null, week = null, closed = false, readMs = 0, isReading = false;
  const state = make("p", { id: "schedule-state", role: "status" });
  const fault = make("p", { id: "schedule-refused", class: "fault", hidden: "" });
  const reason = make("p", { id: "schedule-read-only", class: "hint" });
  const groups = make("select", { id: "schedule-group" });
  groups.addEventListener("change", () => url.set({ sgroup: groups.value, week: url.get("week") }));
  const onlyEditor = (words, click, attributes = {}) => (mayEdit ? [button(words, click, { "data-edit": "", ...attributes })] : []);
  const devices = make("p", { id: "schedule-devices", class: "hint" });
  const grid = new WeekGrid(mayEdit ? (selection) => canEdit() && ruleForm(group().name, newRule(selection), true, edit) : null);
  const range = make("strong", { id: "week-range" });
  const step = (days) => () => url.set({ week: days === 0 ? "" : shifted(week.days[0].date, days) });
  const now = button(t("schedule.week.now"), step(0), { hidden: "" });
  const weekTools = make("div", { class: "tools" },
    button("\u2190", step(-WEEK_DAYS), { "aria-label": t("schedule.week.before") }), button("\u2192", step(WEEK_DAYS), { "aria-label": t("schedule.week.after") }), now,
    ...onlyEditor(t("schedule.rule.add"), () => ruleForm(group().name, newRule(grid.selection), true, edit), { id: "rule-add", class: "main" }));
  const rules = tableOf("rules", RULE_COLUMNS, mayEdit), exceptions = tableOf("exceptions", EXCEPTION_COLUMNS, mayEdit);
  const holidays = make("p", { id: "holidays", class: "hint" });
  const changes = make("ul", { id: "changes", class: "list" });
  const changesHint = make("p", { class: "hint" });
  const log = logSection(() => url.get("sgroup"));
  const body = make("div", { class: "schedule", hidden: "" },
    section("week-title", "", make("p", {}, range), devices, weekTools, grid.element),
    section("rules-title", t("schedule.rules.title"), rules.box),
    make("div", { class: "columns wide" },
      make("section", { "aria-labelledby": "exceptions-title" }, heading("exceptions-title", t("schedule.exceptions.title")), make("div", { class: "tools" }, ...onlyEditor(t("schedule.exception.add"), () => exceptionForm(schedule, newException(week?.today ?? ""), true, edit), { id: "exception-add" }), ...onlyEditor(t("schedule.holidays.button"), () => holidaysForm(schedule, edit), { id: "holidays-edit" })), exceptions.box, holidays),
      section("changes-title", t("schedule.changes.title"), changesHint, changes)),
    log.element);
  // Before the schedule is read they can do nothing.
  const tools = make("div", { class: "tools", hidden: "" },
    make("label", { for: "schedule-group" }, `${t("schedule.group")} `, groups),
    ...onlyEditor(t("schedule.group.add"), () => groupForm(schedule, null, edit), { id: "group-add" }),
    ...onlyEditor(t("schedule.group.devices"), () => groupForm(schedule, group(), edit), { id: "group-devices", "data-group": "" }),
    ...onlyEditor(t("schedule.group.remove"), () => deleteGroup(group(), edit), { id: "group-delete", "data-group": "" }),
    button(t("print"), () => print()));
  root.append(section("schedule-title", t("view.schedules"), tools, state, fault, reason), body);
  const unfollow = url.follow(() => schedule && show());
  read();
  return {
    update() {
      if (Date.now() - readMs > AGAIN_MS && !model.away) read();
      if (schedule) drawState();
    },
    close() {
      closed = true;
      unfollow();
      log.close();
    },
  };

  function group() {
    return schedule?.groups.find(({ name }) => name === url.get("sgroup")) ?? schedule?.groups[0] ?? null;
  }

  function canEdit() {
    return mayEdit && schedule && !schedule.readOnly;
  }

  async function read() {
    if (isReading) return;
    isReading = true;
    readMs = Date.now();
    const { content, words } = await get("schedule");
    isReading = false;
    if (closed) return;
    tools.hidden = false;
    if (!content) {
      // What was read before would look as if it were present.
      schedule = null;
      body.hidden = true;
      say(state, words);
      state.className = "hint";
      for (const each of root.querySelectorAll("[data-edit]")) each.hidden = true;
      return;
    }
    take(content);
  }

  function take(found) {
    const isSame = schedule && lasting(found) === lasting(schedule);
    schedule = found;
    if (!isSame) show();
    log.read();
  }

  // Save a change of the newest schedule; returns what went wrong.
  async function edit(change, chosen) {
    const request = change(schedule);
    if (typeof request === "string") return request;
    const { words, content } = await post("schedule", { revision: schedule.revision, ...request }, "PATCH");
    if (words) {
      await read();
      return words;
    }
    if (chosen) url.set({ sgroup: chosen });
    take(content);
    done(t(content.scheduler?.isRunning ? "schedule.saved" : "schedule.saved.idle"));
    return "";
  }

  async function show() {
    const mine = group();
    options(groups, schedule.groups.map(({ name }) => [name, name]), mine?.name ?? "");
    for (const each of root.querySelectorAll("[data-edit]")) each.hidden = !canEdit() || (!mine && "group" in each.dataset);
    groups.closest("label").hidden = !mine;
    body.hidden = !mine;
    drawState();
    if (!mine) return;
    const limited = [mine.prices ? t("schedule.by_prices") : "", mine.cheapest ? t("schedule.by_cheapest") : "", mine.circuit ? t("schedule.by_circuit", { circuit: mine.circuit }) : "", schedule.timezone === zoneName ? "" : t("schedule.zone", { zone: schedule.timezone })].filter(Boolean);
    const named = mine.devices.slice(0, MAX_DEVICES).map(deviceWords).join(", ");
    const rest = mine.devices.length - MAX_DEVICES;
    say(devices, [t("schedule.devices", { n: mine.devices.length, names: rest > 0 ? `${named}, ${t("ask.more", { n: rest })}` : named }), ...limited].join(". "));
    // On paper nothing else names the group.
    say(part("week-title"), t("schedule.week.title", { group: mine.name }));
    drawRules(mine);
    drawExceptions();
    drawChanges();
    const { content, words } = await get("schedule/week", { group: mine.name, start: url.get("week") });
    if (closed || group()?.name !== mine.name) return;
    grid.element.hidden = !content;
    say(range, content ? `${wholeDate(content.days[0].date)} \u2013 ${wholeDate(content.days[6].date)}` : words);
    // A button that would do nothing is not there.
    now.hidden = !content || content.days.some(({ date }) => date === content.today);
    if (content) grid.set((week = content), schedule.exceptions);
  }

  function drawState() {
    const { scheduler, readOnly } = schedule;
    const host = scheduler ? t(`schedule.host.${scheduler.host}`) : "";
    const isGood = Boolean(scheduler?.isCurrent);
    let words = t("schedule.state.never");
    if (isGood) words = t("schedule.state.runs", { host, time: clock(scheduler.since) });
    else if (scheduler?.isRunning) words = t("schedule.state.older", { host, time: clock(scheduler.since) });
    else if (scheduler) words = t("schedule.state.silent", { host, time: ago(scheduler.seenAt) });
    if (!schedule.revision) words = t("schedule.state.none");
    say(state, words);
    state.className = isGood ? "hint" : "fault warn";
    const refused = schedule.fault ?? (scheduler?.isRunning && scheduler.refused ? scheduler.refused.error : "");
    fault.hidden = !refused;
    say(fault, refused ? t("schedule.state.refused", { error: model.named(refused) }) : "");
    say(reason, whyNot("PATCH", "schedule") || (readOnly ? t("schedule.read_only", { reason: readOnly }) : ""));
  }

  function drawRules(mine) {
    rules.fill(mine.rules, t("schedule.rules.none"), (rule) => [rule.name || t("schedule.unnamed"), weekdaysOf(rule.weekdays), timesOf(rule), limit(rule.kw), seasonOf(rule.season), holidaysOf(rule)], {
      edit: (rule) => ruleForm(mine.name, rule, false, edit),
      delete: (rule) => deleteRule(mine.name, rule, edit),
    }, Boolean(canEdit()));
  }

  function drawExceptions() {
    exceptions.fill(schedule.exceptions, t("schedule.exceptions.none"), (each) => [wholeDate(each.date), timesOf(each), each.kw === null ? t("schedule.no_rule") : limit(each.kw), each.name || t("schedule.unnamed"), each.groups.join(", ") || t("schedule.all_groups")], {
      edit: (each) => exceptionForm(schedule, each, false, edit),
      delete: (each) => deleteException(each, edit),
    }, Boolean(canEdit()));
    say(holidays, t("schedule.holidays.list", { dates: schedule.holidays.map(wholeDate).join("; ") || t("schedule.holidays.none") }));
  }

  function drawChanges() {
    const unknown = schedule.groups.filter(({ upcoming }) => !upcoming).map(({ name }) => name);
    say(changesHint, [schedule.scheduler?.isCurrent ? "" : t("schedule.changes.idle"), unknown.length ? t("schedule.changes.unknown", { groups: unknown.join(", ") }) : ""].filter(Boolean).join(" "));
    const found = schedule.groups.flatMap(({ name, upcoming }) => (upcoming ?? []).slice(1).map((each) => ({ ...each, name }))).sort((a, b) => Date.parse(a.start) - Date.parse(b.start)).slice(0, MAX_CHANGES);
    list(changes, found, t("schedule.changes.none"), (each) => `${each.start} ${each.name} ${each.kw} ${each.reason}`, (each) => [make("span", {}, clock(each.start)), make("b", {}, `${each.name}: ${limit(each.kw)}`), make("span", { class: "hint" }, each.reason)]);
  }
}

// A table whose rows may be edited.
function tableOf(id, columns, isEditable) {
  const body = make("tbody", { id });
  const head = columns.map((name) => make("th", { scope: "col" }, t(`schedule.column.${name}`)));
  if (isEditable) head.push(make("th", { scope: "col", class: "act" }, t("schedule.column.change")));
  const table = make("table", { class: "stack" }, make("thead", {}, make("tr", {}, ...head)), body);
  const none = make("p", { class: "hint" });
  const scroll = make("div", { class: "scroll card", role: "region", "aria-label": t(`schedule.table.${id}`), tabindex: "0" }, table);
  return {
    box: make("div", {}, none, scroll),
    fill(things, noneWords, wordsOf, actions, isOpen) {
      scroll.hidden = !things.length;
      say(none, things.length ? "" : noneWords);
      // Rows that stay keep the focus of their buttons.
      keep(body, things, (thing) => `${isOpen} ${things.indexOf(thing)} ${wordsOf(thing).join("|")} ${JSON.stringify(thing)}`, (thing) => {
        const words = wordsOf(thing);
        const cells = words.map((shown, index) => make("td", { "data-label": t(`schedule.column.${columns[index]}`) }, shown));
        const buttons = Object.entries(actions).map(([name, act]) => button(t(`schedule.${name}`), () => act(thing), { "data-do": name, "aria-label": t(`schedule.${name}.of`, { what: words.slice(0, 3).join(", ") }) }));
        if (isEditable) cells.push(make("td", { class: "act", "data-label": t("schedule.column.change") }, make("span", { class: "buttons" }, ...(isOpen ? buttons : []))));
        return make("tr", {}, ...cells);
      });
    },
  };
}

// A schedule without what is new at each reading.
function lasting(schedule) {
  return JSON.stringify({ ...schedule, scheduler: { ...schedule.scheduler, seenAt: "" } });
}

function shifted(date, days) {
  return new Date(Date.parse(`${date}T12:00:00Z`) + days * 86400000).toISOString().slice(0, 10);
}
