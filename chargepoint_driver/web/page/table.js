// A table of which only the rows on the screen exist. The grid itself has the focus; the active cell
// is named by aria-activedescendant, so that a cell may come and go without taking the focus along.

import { ask } from "./ask.js";
import { keep, make, say } from "./dom.js";
import { kw } from "./format.js";
import { model } from "./model.js";
import { mayCommand } from "./roles.js";
import { t } from "./texts.js";
import { SHED_LOOKS, commandsOf } from "./values.js";

const EXTRA = 6;

export class Table {
  // `handlers`: open(row), sort(name), fold(key).
  constructor(box, label, handlers) {
    this.handlers = handlers;
    this.lines = [];
    this.columns = [];
    this.at = { line: 0, column: 0 };
    this.height = 40;
    this.isWhole = false;
    this.columnGroup = make("colgroup");
    this.headRow = make("tr", { role: "row", "aria-rowindex": "1" });
    this.body = make("tbody", { role: "rowgroup" });
    this.grid = make("table", { role: "grid", class: "grid", tabindex: "0", "aria-label": label, "aria-describedby": "grid-keys" }, this.columnGroup, make("thead", { role: "rowgroup" }, this.headRow), this.body);
    this.space = make("div", { class: "grid-space" }, this.grid);
    this.scroller = make("div", { class: "grid-box card" }, this.space);
    box.append(this.scroller, make("p", { id: "grid-keys", class: "hint keys" }, t(mayCommand("shed") ? "table.keys" : "table.keys.view")));
    this.scroller.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(this.scroller);
    this.grid.addEventListener("keydown", (event) => this.key(event));
    this.grid.addEventListener("focus", () => this.draw());
    this.grid.addEventListener("blur", () => this.draw());
    this.grid.addEventListener("click", (event) => this.click(event));
    this.whole = (isWhole) => () => {
      this.isWhole = isWhole;
      this.draw();
    };
    this.listeners = [["beforeprint", this.whole(true)], ["afterprint", this.whole(false)]];
    for (const [name, listener] of this.listeners) addEventListener(name, listener);
  }

  close() {
    for (const [name, listener] of this.listeners) removeEventListener(name, listener);
  }

  // `lines`: {group} or {row}; `sort`: name of a column, - before it for the other way round.
  set(lines, columns, sort) {
    const active = this.lines[this.at.line - 1];
    this.lines = lines;
    this.sort = sort;
    const names = columns.map(({ name, pinned, width }) => `${name}${pinned}${width}`).join();
    if (names !== this.names) {
      this.names = names;
      this.setColumns(columns);
    }
    this.columns = columns;
    // The active line stays with its port where that is still shown.
    if (active) {
      const found = lines.findIndex((line) => line.key === active.key);
      if (found >= 0) this.at.line = found + 1;
    }
    this.at.line = Math.min(this.at.line, lines.length);
    this.at.column = Math.min(this.at.column, columns.length - 1);
    this.drawHead();
    this.draw();
  }

  setColumns(columns) {
    this.columnGroup.replaceChildren(...columns.map(({ width }, index) => {
      const element = make("col");
      if (index < columns.length - 1) element.style.width = `${width}rem`;
      return element;
    }));
    this.grid.style.minWidth = `${columns.reduce((sum, { width }) => sum + width, 0)}rem`;
    this.headRow.replaceChildren();
    this.body.replaceChildren();
    this.grid.setAttribute("aria-colcount", columns.length);
  }

  drawHead() {
    const offsets = offsetsOf(this.columns);
    const order = (name) => (this.sort === name ? "ascending" : this.sort === `-${name}` ? "descending" : "none");
    keep(this.headRow, this.columns, ({ name }) => name, (column) => {
      const head = make("th", { role: "columnheader", scope: "col", id: `grid-head-${column.name}`, "data-sort": column.name, class: `${column.pinned ? "pinned" : ""} ${column.number ? "number" : ""}` }, column.title);
      if (column.pinned) head.style.left = `${offsets.get(column.name)}rem`;
      return head;
    }, (head, { name }) => head.setAttribute("aria-sort", order(name)));
  }

  draw() {
    const { lines } = this;
    const visible = Math.ceil((this.scroller.clientHeight || 600) / this.height);
    const first = this.isWhole ? 0 : Math.max(0, Math.floor(this.scroller.scrollTop / this.height) - EXTRA);
    const end = this.isWhole ? lines.length : Math.min(lines.length, first + visible + 2 * EXTRA);
    const start = Math.min(first, Math.max(0, end - visible - 2 * EXTRA));
    this.grid.setAttribute("aria-rowcount", lines.length + 1);
    this.space.style.height = this.isWhole ? "auto" : `${(lines.length + 1) * this.height}px`;
    this.grid.style.marginTop = this.isWhole ? "0" : `${start * this.height}px`;
    const shown = lines.slice(start, end).map((line, index) => ({ line, index: start + index }));
    keep(this.body, shown, ({ line }) => line.key, ({ line }) => this.build(line), (row, { line, index }) => this.fill(row, line, index));
    this.mark();
    const measured = this.body.firstElementChild?.offsetHeight;
    if (measured && Math.abs(measured - this.height) > 0.5 && !this.isWhole) {
      this.height = measured;
      this.draw();
    }
  }

  build(line) {
    if (line.group) return this.buildGroup(line);
    const offsets = offsetsOf(this.columns);
    return make("tr", { role: "row" }, ...this.columns.map((column) => {
      const cell = make("td", { role: "gridcell", class: `${column.pinned ? "pinned" : ""} ${column.number ? "number" : ""} ${column.tail ? "tail" : ""}` }, make("span"));
      if (column.pinned) cell.style.left = `${offsets.get(column.name)}rem`;
      return cell;
    }));
  }

  buildGroup({ group }) {
    const cell = make("th", { role: "rowheader", scope: "rowgroup", colspan: String(this.columns.length) }, make("span", { class: "fold", "aria-hidden": "true" }), make("span", { class: "group-words" }));
    if (group.thing) cell.append(make("button", { type: "button", tabindex: "-1", "data-do": "shed", "aria-label": t("command.shed.of", { place: group.name }) }, t("command.shed.button")));
    return make("tr", { role: "row", class: "group-line" }, cell);
  }

  fill(row, line, index) {
    row.setAttribute("aria-rowindex", index + 2);
    row.dataset.line = index + 1;
    if (line.group) {
      const { group, isOpen } = line;
      row.firstElementChild.setAttribute("aria-expanded", String(isOpen));
      say(row.querySelector(".fold"), isOpen ? "\u25be" : "\u25b8");
      say(row.querySelector(".group-words"), groupWords(group));
      return;
    }
    this.columns.forEach((column, place) => {
      const cell = row.children[place], shown = cell.firstElementChild;
      const words = column.words(line.row);
      if (shown.textContent !== words) {
        shown.textContent = words;
        cell.title = words;
      }
      shown.className = column.look ? `chip ${column.look(line.row)}` : column.trouble ? "trouble" : "";
      if (column.shed) shown.dataset.look = SHED_LOOKS[line.row.shed.value] ?? "";
      cell.classList.toggle("old", Boolean(column.old?.(line.row)));
    });
  }

  // Line 0 is the head, the others are lines of the table.
  cellAt({ line, column }) {
    if (line === 0) return this.headRow.children[column] ?? null;
    const row = this.body.querySelector(`[data-line="${line}"]`);
    return row ? row.children[Math.min(column, row.children.length - 1)] : null;
  }

  mark() {
    const cell = this.cellAt(this.at);
    const before = this.grid.querySelector(".active");
    if (before && before !== cell) {
      before.classList.remove("active");
      if (before.id === "grid-active") before.removeAttribute("id");
    }
    if (!cell) {
      this.grid.removeAttribute("aria-activedescendant");
      return;
    }
    cell.id ||= "grid-active";
    cell.classList.add("active");
    this.grid.setAttribute("aria-activedescendant", cell.id);
  }

  go(line, column) {
    this.at = { line: Math.max(0, Math.min(line, this.lines.length)), column: Math.max(0, Math.min(column, this.columns.length - 1)) };
    const top = (this.at.line - 1) * this.height;
    const { scrollTop, clientHeight } = this.scroller;
    if (this.at.line <= 1) this.scroller.scrollTop = 0;
    else if (top < scrollTop) this.scroller.scrollTop = top;
    else if (top + 2 * this.height > scrollTop + clientHeight - 16) this.scroller.scrollTop = top + 2 * this.height - clientHeight + 16;
    this.draw();
    const cell = this.cellAt(this.at);
    if (cell && !cell.classList.contains("pinned")) cell.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  key(event) {
    if (event.altKey || event.metaKey) return;
    const { line, column } = this.at;
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.height) - 2);
    const current = this.lines[line - 1];
    const keys = {
      ArrowDown: () => this.go(line + 1, column),
      ArrowUp: () => this.go(line - 1, column),
      ArrowRight: () => (current?.group && !current.isOpen ? this.handlers.fold(current.group.key) : this.go(line, column + 1)),
      ArrowLeft: () => (current?.group && current.isOpen ? this.handlers.fold(current.group.key) : this.go(line, column - 1)),
      PageDown: () => this.go(line + page, column),
      PageUp: () => this.go(Math.max(1, line - page), column),
      Home: () => (event.ctrlKey ? this.go(1, 0) : this.go(line, 0)),
      End: () => (event.ctrlKey ? this.go(this.lines.length, this.columns.length - 1) : this.go(line, this.columns.length - 1)),
      Enter: () => this.act(),
      " ": () => this.act(),
      s: () => this.command("shed"),
      c: () => this.command("clear"),
    };
    if (event.ctrlKey && !["Home", "End"].includes(event.key)) return;
    const act = keys[event.key];
    if (!act || event.target !== this.grid) return;
    event.preventDefault();
    act();
  }

  act() {
    const current = this.lines[this.at.line - 1];
    if (this.at.line === 0) this.handlers.sort(this.columns[this.at.column].name);
    else if (current?.group) this.handlers.fold(current.group.key);
    else if (current) this.handlers.open(current.row);
  }

  command(name) {
    const current = this.lines[this.at.line - 1];
    const thing = current?.group ? current.group.thing : current?.row.port;
    if (thing && commandsOf(thing, model).includes(name)) ask(name, thing);
  }

  click(event) {
    const head = event.target.closest("[data-sort]");
    if (head) {
      this.at = { line: 0, column: [...this.headRow.children].indexOf(head) };
      this.handlers.sort(head.dataset.sort);
      return;
    }
    const row = event.target.closest("[data-line]");
    if (!row) return;
    this.at = { line: Number(row.dataset.line), column: Math.max(0, [...row.children].indexOf(event.target.closest("td, th"))) };
    if (event.target.closest("[data-do]")) this.command("shed");
    else this.act();
  }
}

function offsetsOf(columns) {
  let left = 0;
  const found = new Map();
  for (const { name, pinned, width } of columns) {
    if (!pinned) continue;
    found.set(name, left);
    left += width;
  }
  return found;
}

function groupWords({ name, rows }) {
  const known = rows.filter((row) => !row.isAway && row.load.value !== null);
  const load = known.length ? kw(known.reduce((sum, row) => sum + row.load.value, 0)) : t("unknown");
  const trouble = rows.filter((row) => row.troubles.length).length;
  return [
    name,
    t("ports", { n: rows.length }),
    known.length && known.length < rows.length ? t("at_least", { value: load }) : load,
    trouble ? t("in_trouble", { n: trouble }) : "",
  ].filter(Boolean).join(" \u00b7 ");
}
