// A week of a group as a grid of days and hours: one cell is reached by Tab, arrow keys move,
// with Shift they select, Enter makes a rule of what is selected.

import { make, say } from "./dom.js";
import { number } from "./format.js";
import { WEEKDAYS, dayName, limit, shortDate, wholeDate } from "./schedule_words.js";
import { t } from "./texts.js";

const KEYS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
const clockOf = (hour) => `${String(hour).padStart(2, "0")}:00`;

export class WeekGrid {
  // `choose({ weekdays, from, until })` is called for Enter and a double click; null: read only.
  constructor(choose) {
    this.choose = choose;
    this.week = null;
    this.start = { day: 0, hour: 8 };
    this.end = { day: 0, hour: 8 };
    this.heads = WEEKDAYS.map(() => make("th", { role: "columnheader", scope: "col" }));
    this.cells = WEEKDAYS.map(() => []);
    const rows = Array.from({ length: 24 }, (_, hour) => make("tr", { role: "row" },
      make("th", { role: "rowheader", scope: "row" }, clockOf(hour)),
      ...WEEKDAYS.map((_, day) => {
        const cell = make("td", { role: "gridcell", tabindex: "-1", "data-day": String(day), "data-hour": String(hour) });
        this.cells[day].push(cell);
        return cell;
      })));
    this.grid = make("table", { role: "grid", class: "week", "aria-describedby": "week-keys", "aria-multiselectable": "true" },
      make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, make("th", { role: "columnheader", scope: "col" }, t("schedule.hour")), ...this.heads)),
      make("tbody", { role: "rowgroup" }, ...rows));
    this.said = make("p", { id: "week-cell", class: "hint", role: "status" });
    this.element = make("div", {},
      make("div", { class: "scroll card week-box" }, this.grid), this.said,
      make("p", { id: "week-keys", class: "hint keys" }, t(choose ? "schedule.keys" : "schedule.keys.view")));
    this.grid.addEventListener("keydown", (event) => this.key(event));
    this.grid.addEventListener("pointerdown", (event) => this.press(event));
    this.grid.addEventListener("pointerover", (event) => this.drag(event));
    this.grid.addEventListener("dblclick", (event) => this.at(event.target) && this.choose?.(this.selection));
    this.grid.addEventListener("focusin", (event) => this.at(event.target) && this.tell());
    this.mark();
  }

  // What is selected, as a rule has it.
  get selection() {
    const [first, last] = [this.start.day, this.end.day].sort((a, b) => a - b);
    const [from, until] = [this.start.hour, this.end.hour].sort((a, b) => a - b);
    return { weekdays: WEEKDAYS.slice(first, last + 1), from: clockOf(from), until: clockOf(until + 1) };
  }

  set(week, exceptions) {
    const today = week.days.findIndex(({ date }) => date === week.today);
    if (!this.week && today >= 0) this.select({ day: today, hour: this.end.hour });
    this.week = week;
    this.grid.setAttribute("aria-label", t("schedule.week.of", { group: week.group, date: wholeDate(week.days[0].date) }));
    week.days.forEach((each, day) => {
      const isExcept = exceptions.some(({ date, groups }) => date === each.date && (!groups.length || groups.includes(week.group)));
      const note = [each.isHoliday ? t("schedule.holiday") : "", isExcept ? t("schedule.exception") : ""].filter(Boolean).join(", ");
      this.heads[day].replaceChildren(`${dayName(each.date)} `, make("small", {}, shortDate(each.date)), ...(note ? [make("small", { class: "mark" }, note)] : []));
      this.heads[day].classList.toggle("today", each.date === week.today);
      each.hours.forEach((periods, hour) => draw(this.cells[day][hour], periods, each.date, hour));
    });
    this.tell();
  }

  at(target) {
    const cell = target.closest?.("[data-day]");
    return cell ? { day: Number(cell.dataset.day), hour: Number(cell.dataset.hour) } : null;
  }

  key(event) {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.choose?.(this.selection);
      return;
    }
    let { day, hour } = this.end;
    if (event.key in KEYS) {
      day += KEYS[event.key][0];
      hour += KEYS[event.key][1];
    } else if (event.key === "Home") hour = 0;
    else if (event.key === "End") hour = 23;
    else return;
    event.preventDefault();
    this.select({ day: Math.min(6, Math.max(0, day)), hour: Math.min(23, Math.max(0, hour)) }, event.shiftKey);
    this.cells[this.end.day][this.end.hour].focus();
  }

  press(event) {
    const found = this.at(event.target);
    if (!found || event.button) return;
    this.select(found, event.shiftKey);
    // Dragging on a screen that is touched scrolls it.
    this.isDragging = event.pointerType === "mouse";
    addEventListener("pointerup", () => (this.isDragging = false), { once: true });
  }

  drag(event) {
    const found = this.at(event.target);
    if (this.isDragging && found) this.select(found, true);
  }

  select(place, isMore) {
    this.end = place;
    if (!isMore) this.start = place;
    this.mark();
    this.tell();
  }

  mark() {
    const [left, right] = [this.start.day, this.end.day].sort((a, b) => a - b);
    const [top, bottom] = [this.start.hour, this.end.hour].sort((a, b) => a - b);
    this.cells.forEach((column, day) => column.forEach((cell, hour) => {
      const isChosen = day >= left && day <= right && hour >= top && hour <= bottom;
      cell.setAttribute("aria-selected", String(isChosen));
      cell.tabIndex = day === this.end.day && hour === this.end.hour ? 0 : -1;
    }));
  }

  // The cell in words, for those who cannot see all of it in the cell.
  tell() {
    if (this.week) say(this.said, this.cells[this.end.day][this.end.hour].getAttribute("aria-label"));
  }
}

function draw(cell, periods, date, hour) {
  const limits = periods.map(({ kw }) => kw).filter((kw) => kw !== null);
  const lowest = limits.length ? Math.min(...limits) : null;
  const isPart = periods.length > 1;
  cell.className = [lowest === null ? "" : lowest === 0 ? "stop" : "limited", isPart ? "part" : "", periods.length ? "" : "skipped"].filter(Boolean).join(" ");
  say(cell, lowest === null ? "" : number(lowest, Number.isInteger(lowest) ? 0 : 1));
  const words = periods.map((each) => {
    const what = [limit(each.kw), each.reason ? `(${each.reason})` : ""].filter(Boolean).join(" ");
    return isPart ? t("schedule.part", { from: each.from, until: each.until, what }) : what;
  });
  cell.setAttribute("aria-label", t("schedule.cell", { date: wholeDate(date), time: clockOf(hour), what: words.join("; ") || t("schedule.skipped") }));
}
