// The ports: filters, and tiles or a table. All of it is in the address.

import { COLUMNS, columnsOf } from "./columns.js";
import { button, csv, download, keep, make, options, say } from "./dom.js";
import { iso, now } from "./format.js";
import { model } from "./model.js";
import { choices, filtersOf, grouped, isWanted, sorted, undecided } from "./rows.js";
import { Table } from "./table.js";
import { t } from "./texts.js";
import { buildPort, updatePort } from "./tiles.js";
import { url } from "./url.js";
import { heading, unlisted } from "./words.js";

// More ports than these are shown as a table where the address does not say otherwise.
const TILES_UP_TO = 24;
const PAGE = 48;
const FILTERS = ["status", "trouble", "shed", "group"];

export class Ports {
  constructor(app) {
    this.app = app;
    this.folded = new Set();
    this.tilesShown = PAGE;
    this.find = make("input", { id: "find", type: "search", autocomplete: "off", value: url.get("find") });
    this.find.addEventListener("input", () => url.set({ find: this.find.value.trim() ? this.find.value : "" }));
    this.selects = Object.fromEntries(FILTERS.map((name) => [name, select(`filter-${name}`, (value) => url.set({ [name]: value }))]));
    this.by = select("group-by", (value) => url.set({ by: value }));
    this.as = select("show-as", (value) => url.set({ as: value }));
    const filter = make("form", { id: "filter", role: "search" }, field("find", t("filter.find"), this.find), ...FILTERS.map((name) => field(`filter-${name}`, t(`filter.${name}`), this.selects[name])));
    filter.addEventListener("submit", (event) => event.preventDefault());
    this.count = make("p", { id: "count", class: "hint", role: "status" });
    this.clear = button(t("filter.clear"), () => this.clearFilters(), { id: "filter-clear" });
    this.columnsMenu = columnsMenu();
    this.exportButton = button(t("csv"), () => this.exportCsv(), { id: "ports-csv" });
    const tools = make("div", { class: "tools" }, field("show-as", t("show_as"), this.as), field("group-by", t("group_by"), this.by), this.columnsMenu.element, this.exportButton, button(t("print"), () => print()));
    this.tiles = make("ul", { id: "ports", class: "tiles" });
    this.more = button("", () => {
      this.tilesShown += PAGE;
      this.update();
    }, { class: "more" });
    this.tableBox = make("div", { id: "table" });
    this.table = new Table(this.tableBox, t("ports.title"), {
      open: (row) => app.openPort(row),
      sort: (name) => url.set({ sort: this.sort === name ? `-${name}` : name }),
      fold: (key) => {
        if (!this.folded.delete(key)) this.folded.add(key);
        this.update();
      },
    });
    this.element = make("section", { "aria-labelledby": "ports-title", id: "ports-part" }, make("div", { class: "bar" }, heading("ports-title", t("ports.title")), filter), tools, make("div", { class: "bar" }, this.count, this.clear), this.tiles, this.more, this.tableBox);
  }

  get sort() {
    return url.get("sort");
  }

  close() {
    this.table.close();
  }

  clearFilters() {
    this.find.value = "";
    url.set({ find: "", status: "", trouble: "", shed: "", group: "" });
    this.find.focus();
  }

  update() {
    const all = model.rows, filters = filtersOf(url), found = choices(all);
    if (document.activeElement !== this.find && this.find.value.trim().toLowerCase() !== filters.find) this.find.value = url.get("find");
    for (const name of FILTERS) options(this.selects[name], found[name], url.get(name));
    this.selects.group.closest("label").hidden = found.group.length < 2 && !url.get("group");
    const isTable = (url.get("as") || (model.state.site.ports > TILES_UP_TO ? "table" : "tiles")) === "table";
    options(this.as, [["tiles", t("as.tiles")], ["table", t("as.table")]], isTable ? "table" : "tiles");
    options(this.by, [["", t("by.none")], ["site", t("by.site")], ["group", t("by.group")], ["station", t("by.station")]], url.get("by"));
    this.by.closest("label").hidden = this.columnsMenu.element.hidden = !isTable;
    this.shown = sorted(all.filter((row) => isWanted(row, filters)), this.sort, COLUMNS);
    this.tiles.hidden = isTable;
    this.tableBox.hidden = !isTable;
    if (isTable) this.drawTable();
    else this.drawTiles();
    if (this.shown.length && !this.isMarked) {
      performance.mark("ports-shown");
      this.isMarked = true;
    }
    this.more.hidden = isTable || this.shown.length <= this.tilesShown;
    this.columnsMenu.update();
    this.clear.hidden = !Object.values(filters).some(Boolean);
    const open = undecided(all, filters);
    const words = this.shown.length === all.length ? t("ports", { n: all.length }) : t("ports_of", { n: this.shown.length, of: all.length });
    say(this.count, model.isPartial ? t("reading") : [all.length ? words : unlisted() ? "" : t("ports.none"), open ? t("ports.undecided", { n: open }) : "", unlisted()].filter(Boolean).join("; "));
  }

  drawTiles() {
    say(this.more, t("ports.more", { n: this.shown.length - this.tilesShown }));
    keep(this.tiles, this.shown.slice(0, this.tilesShown), ({ key }) => key, (row) => buildPort(row, this.app.openPort), updatePort);
  }

  drawTable() {
    const by = url.get("by");
    const lines = by
      ? grouped(this.shown, by).flatMap((group) => {
          const isOpen = !this.folded.has(group.key);
          return [{ key: `group ${group.key}`, group, isOpen }, ...(isOpen ? group.rows.map((row) => ({ key: `${group.key}/${row.key}`, row })) : [])];
        })
      : this.shown.map((row) => ({ key: row.key, row }));
    this.table.set(lines, columnsOf(url), this.sort);
  }

  exportCsv() {
    const columns = columnsOf(url);
    const head = [...columns.map(({ title, unit }) => (unit ? `${title} [${unit}]` : title)), t("csv.as_of")];
    const rows = this.shown.map((row) => [
      ...columns.map((column) => {
        const value = column.value(row);
        return column.time && value !== null ? iso(value) : value;
      }),
      iso(Date.parse(row.load.old ?? "") || now()),
    ]);
    download("ports.csv", csv([head, ...rows]));
  }
}

function select(id, changed) {
  const element = make("select", { id });
  element.addEventListener("change", () => changed(element.value));
  return element;
}

function field(id, words, input) {
  return make("label", { for: id }, `${words} `, input);
}

// Which columns are shown, and which stay while the others scroll.
function columnsMenu() {
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...["column", "shown", "pinned"].map((name) => make("th", { scope: "col" }, t(`columns.${name}`))))));
  const body = make("tbody");
  table.append(body);
  const reset = button(t("columns.reset"), () => url.set({ columns: "", pinned: "" }));
  const element = make("details", { id: "columns" }, make("summary", {}, t("columns.title")), make("div", { class: "menu card" }, table, reset));
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    element.open = false;
    element.firstElementChild.focus();
  });
  const change = () => {
    const names = (kind) => Object.keys(COLUMNS).filter((name) => body.querySelector(`[data-key="${name}"] [data-kind=${kind}]`).checked);
    const pinned = names("pinned");
    const shown = [...new Set([...names("shown"), ...pinned])];
    url.set({ columns: shown.length ? shown.join(".") : "", pinned: pinned.length ? pinned.join(".") : "-" });
  };
  const box = (kind, name) => {
    const input = make("input", { type: "checkbox", "data-kind": kind, "aria-label": `${t(`column.${name}`)}: ${t(`columns.${kind}`)}` });
    input.addEventListener("change", change);
    return make("td", {}, input);
  };
  return {
    element,
    update() {
      const now = new Map(columnsOf(url).map((column) => [column.name, column]));
      keep(body, Object.keys(COLUMNS), (name) => name, (name) => make("tr", {}, make("th", { scope: "row" }, t(`column.${name}`)), box("shown", name), box("pinned", name)), (row, name) => {
        row.querySelector("[data-kind=shown]").checked = now.has(name);
        row.querySelector("[data-kind=pinned]").checked = Boolean(now.get(name)?.pinned);
      });
    },
  };
}
