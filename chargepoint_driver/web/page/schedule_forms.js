// Forms of a schedule: rules, exceptions, holidays, groups with their devices.

import { make } from "./dom.js";
import { checkList, choice, field, openForm } from "./form.js";
import { model } from "./model.js";
import { WEEKDAYS, deviceWords, timesOf, weekdayName, weekdaysOf, wholeDate } from "./schedule_words.js";
import { t } from "./texts.js";

const TIME = "([01][0-9]|2[0-3]):[0-5][0-9]|24:00";
const SEASON_DAY = "(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])";
const MAX_CHOICES = 200;
const HOLIDAYS = ["as weekday", "only", "never"];

const kwField = (value, attributes = {}) => field(t("schedule.limit"), { type: "number", name: "kw", min: "0", max: "1000000", step: "any", inputmode: "decimal", required: "", ...attributes }, value === null || value === undefined ? null : String(value));
const nameField = (value) => field(t("schedule.name"), { name: "name", maxlength: "100" }, value);
const timeFields = ({ from, until }) => [field(t("schedule.from"), { name: "from", pattern: TIME, maxlength: "5", required: "", title: t("schedule.time.hint") }, from), field(t("schedule.until"), { name: "until", pattern: TIME, maxlength: "5", required: "", title: t("schedule.time.hint") }, until)];

// `edit(change)` saves; `change(schedule)` makes the request of the newest schedule, or returns
// the reason why it cannot.
export function ruleForm(group, rule, isNew, edit) {
  const days = make("fieldset", { class: "days" }, make("legend", {}, t("schedule.weekdays")), ...WEEKDAYS.map((day) => {
    const input = make("input", { type: "checkbox", name: "weekday", value: day });
    input.checked = rule.weekdays.includes(day);
    return make("label", {}, input, weekdayName(day));
  }));
  const [first, last] = rule.season ?? ["", ""];
  openForm({
    title: t(isNew ? "schedule.rule.new" : "schedule.rule.edit", { group }),
    text: t("schedule.rule.text"),
    yesWords: t("schedule.save"),
    content: [
      kwField(rule.kw),
      days,
      make("div", { class: "pair" }, ...timeFields(rule)),
      nameField(rule.name),
      make("div", { class: "pair" }, field(t("schedule.season.first"), { name: "first", pattern: SEASON_DAY, maxlength: "5", placeholder: "10-01" }, first), field(t("schedule.season.last"), { name: "last", pattern: SEASON_DAY, maxlength: "5", placeholder: "03-31" }, last)),
      choice(t("schedule.on_holidays"), "holidays", HOLIDAYS.map((each) => [each, t(`schedule.holidays.${each.replace(" ", "_")}`)]), rule.holidays),
    ],
    save: (form) => {
      const weekdays = form.getAll("weekday");
      if (!weekdays.length) return t("schedule.no_weekday");
      if (Boolean(form.get("first")) !== Boolean(form.get("last"))) return t("schedule.half_season");
      const next = { kw: Number(form.get("kw")), name: form.get("name").trim(), weekdays, from: form.get("from"), until: form.get("until"), season: form.get("first") ? [form.get("first"), form.get("last")] : null, holidays: form.get("holidays") };
      return edit((schedule) => rulesOf(schedule, group, isNew ? null : rule, next));
    },
  });
}

export function deleteRule(group, rule, edit) {
  openForm({
    title: t("schedule.rule.delete", { name: rule.name || timesOf(rule) }),
    text: t("schedule.rule.delete.text", { group }),
    yesWords: t("schedule.delete"),
    save: () => edit((schedule) => rulesOf(schedule, group, rule, null)),
  });
}

// A list with one element replaced, removed (`next` null) or added (`old` null); null where it is
// not there any more.
function replaced(list, old, next) {
  if (!old) return [...list, next];
  const at = list.findIndex((each) => JSON.stringify(each) === JSON.stringify(old));
  if (at < 0) return null;
  return [...list.slice(0, at), ...(next ? [next] : []), ...list.slice(at + 1)];
}

function rulesOf(schedule, name, old, next) {
  const group = schedule.groups.find((each) => each.name === name);
  const rules = group && replaced(group.rules, old, next);
  return rules ? { groups: { [name]: { rules } } } : t("schedule.gone");
}

export function exceptionForm(schedule, exception, isNew, edit) {
  const groups = checkList(t("schedule.exception.groups"), "groups");
  groups.set(schedule.groups.map(({ name }) => [name, name]), exception.groups);
  const none = make("input", { type: "checkbox", name: "none" });
  none.checked = !isNew && exception.kw === null;
  const kw = kwField(exception.kw);
  const update = () => {
    kw.hidden = none.checked;
    kw.querySelector("input").required = !none.checked;
  };
  none.addEventListener("change", update);
  update();
  openForm({
    title: t(isNew ? "schedule.exception.new" : "schedule.exception.edit"),
    text: t("schedule.exception.text"),
    yesWords: t("schedule.save"),
    content: [
      field(t("schedule.date"), { type: "date", name: "date", required: "" }, exception.date),
      make("label", {}, none, t("schedule.exception.none")),
      kw,
      make("div", { class: "pair" }, ...timeFields(exception)),
      nameField(exception.name),
      groups.element,
    ],
    save: (form) => {
      const next = { date: form.get("date"), kw: none.checked ? null : Number(form.get("kw")), name: form.get("name").trim(), from: form.get("from"), until: form.get("until"), groups: form.getAll("groups") };
      return edit((now) => exceptionsOf(now, isNew ? null : exception, next));
    },
  });
}

export function deleteException(exception, edit) {
  openForm({
    title: t("schedule.exception.delete", { date: wholeDate(exception.date) }),
    text: t("schedule.exception.delete.text"),
    yesWords: t("schedule.delete"),
    save: () => edit((schedule) => exceptionsOf(schedule, exception, null)),
  });
}

function exceptionsOf(schedule, old, next) {
  const exceptions = replaced(schedule.exceptions, old, next);
  return exceptions ? { exceptions: exceptions.sort((a, b) => a.date.localeCompare(b.date)) } : t("schedule.gone");
}

export function holidaysForm(schedule, edit) {
  const area = make("textarea", { name: "holidays", rows: "8", spellcheck: "false" });
  area.value = schedule.holidays.join("\n");
  openForm({
    title: t("schedule.holidays.edit"),
    text: t("schedule.holidays.text"),
    yesWords: t("schedule.save"),
    content: [make("label", {}, make("span", {}, t("schedule.holidays.dates")), area)],
    save: (form) => edit(() => ({ holidays: [...new Set(form.get("holidays").split(/[\s,;]+/).filter(Boolean))].sort() })),
  });
}

// A new group, or the devices of one.
export function groupForm(schedule, group, edit) {
  const name = field(t("schedule.group.name"), { name: "name", maxlength: "100", ...(group ? { readonly: "" } : {}) }, group?.name ?? "");
  const devices = schedule.devices === "topics" ? topicsField(group) : portsField(group);
  const plan = make("input", { type: "checkbox", name: "plan" });
  plan.checked = Boolean(group?.plan);
  openForm({
    title: group ? t("schedule.group.edit", { group: group.name }) : t("schedule.group.new"),
    text: t("schedule.group.text"),
    yesWords: t("schedule.save"),
    content: [name, ...devices.elements, make("label", {}, plan, t("schedule.plan"))],
    save: (form) => {
      const chosen = devices.chosen();
      if (!chosen.length) return t("schedule.no_device");
      const called = group?.name ?? (form.get("name").trim() || chosen.map(deviceWords).join(", ").slice(0, 100));
      return edit((now) => {
        const known = now.groups.some((each) => each.name === called);
        if (group ? !known : known) return t(group ? "schedule.gone" : "schedule.group.taken", { name: called });
        return { groups: { [called]: { devices: chosen, plan: plan.checked } } };
      }, called);
    },
  });
}

export function deleteGroup(group, edit) {
  openForm({
    title: t("schedule.group.delete", { group: group.name }),
    text: t("schedule.group.delete.text"),
    yesWords: t("schedule.delete"),
    save: () => edit(() => ({ groups: { [group.name]: null } })),
  });
}

function topicsField(group) {
  const area = make("textarea", { name: "topics", rows: "5", spellcheck: "false" });
  area.value = (group?.devices ?? []).map(({ topic }) => topic).join("\n");
  const chosen = () => area.value.split("\n").map((each) => each.trim()).filter(Boolean).map((topic) => ({ topic }));
  return { elements: [make("label", {}, make("span", {}, t("schedule.topics")), area)], chosen };
}

// Station groups and ports, found by a text; what is chosen stays in the list.
function portsField(group) {
  const many = new Set([...model.stations.values()].map(({ account }) => account)).size > 1;
  const accountOf = ({ account }) => (many ? account : null);
  const offered = [
    ...model.groups.map((each) => ({ account: accountOf(each), group: each.group })),
    ...model.rows.map((row) => ({ account: accountOf(row), cpid: row.cpid, connectorId: row.connectorId })),
  ];
  const keyOf = ({ account, cpid, connectorId, group: id }) => JSON.stringify([account ?? null, cpid ?? null, connectorId ?? null, id ?? null]);
  const chosen = new Map((group?.devices ?? []).map((each) => [keyOf(each), each]));
  const all = new Map([...chosen, ...offered.map((each) => [keyOf(each), each])]);
  const wordsOf = (device) => (device.group ? t("schedule.station_group", { name: deviceWords(device) }) : deviceWords(device));
  const list = checkList(t("schedule.devices.choose"), "device");
  const shownWords = new Map([...all].map(([key, device]) => [key, wordsOf(device)]));
  const find = field(t("filter.find"), { type: "search", name: "find" });
  const draw = () => {
    const wanted = find.querySelector("input").value.trim().toLowerCase();
    const fits = (key, device) => !wanted || `${shownWords.get(key)} ${device.cpid ?? ""}`.toLowerCase().includes(wanted);
    const shown = [...all].filter(([key, device]) => chosen.has(key) || fits(key, device)).slice(0, MAX_CHOICES);
    list.set(shown.map(([key]) => [key, shownWords.get(key)]), [...chosen.keys()], (key, isChosen) => {
      if (isChosen) chosen.set(key, all.get(key));
      else chosen.delete(key);
    });
  };
  find.querySelector("input").addEventListener("input", draw);
  // Enter finds; it does not save the form.
  find.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
  draw();
  const clean = (device) => Object.fromEntries(Object.entries(device).filter(([, value]) => value !== null && value !== undefined));
  return { elements: [find, list.element], chosen: () => [...chosen.values()].map(clean) };
}

export const newRule = (selection) => ({ kw: null, name: "", season: null, holidays: "as weekday", ...selection });
export const newException = (date) => ({ date, kw: null, name: "", from: "00:00", until: "24:00", groups: [] });
export const ruleWords = (rule) => `${weekdaysOf(rule.weekdays)}, ${timesOf(rule)}`;
