// Which ports are shown, in which order, in which groups. Nothing here touches the page.

import { language, t, word } from "./texts.js";
import { model } from "./model.js";

const names = new Intl.Collator(language, { numeric: true });

// The filters of a state of the address.
export function filtersOf(url) {
  return {
    find: url.get("find").trim().toLowerCase(),
    status: url.get("status"),
    trouble: url.get("trouble"),
    shed: url.get("shed"),
    group: url.get("group"),
  };
}

export function isWanted(row, filters) {
  if (filters.status && row.status.code !== filters.status) return false;
  if (filters.trouble === "any" ? !row.troubles.length : filters.trouble && !row.troubles.some(({ kind }) => kind === filters.trouble)) return false;
  if (filters.shed && (row.shed.value ?? "unknown") !== filters.shed) return false;
  if (filters.group && !row.groups.some((group) => `${row.account} ${group}` === filters.group)) return false;
  return !filters.find || searched(row).includes(filters.find);
}

function searched(row) {
  return [row.place, row.cpid, row.account, row.status.words, ...row.troubles.map(({ name }) => name)].join(" ").toLowerCase();
}

// The number of ports of which it is not known whether the filters show them.
export function undecided(rows, filters) {
  return rows.filter((row) => (filters.status && row.status.old) || (filters.shed && row.shed.value === null && filters.shed !== "unknown")).length;
}

// The choices of each filter with the number of their ports.
export function choices(rows) {
  const count = { status: new Map(), trouble: new Map(), shed: new Map(), group: new Map() };
  const add = (map, value, words) => map.set(value, { words, n: (map.get(value)?.n ?? 0) + 1 });
  let any = 0;
  for (const row of rows) {
    add(count.status, row.status.code, word("status", row.status.code));
    const shed = row.shed.value ?? "unknown";
    add(count.shed, shed, word("shed", shed));
    if (row.troubles.length) any += 1;
    for (const [kind, name] of new Map(row.troubles.map((each) => [each.kind, each.name]))) add(count.trouble, kind, name);
    for (const group of row.groups) add(count.group, `${row.account} ${group}`, model.groupName(row.account, group));
  }
  const pairs = (map) => [...map].sort(([, one], [, other]) => names.compare(one.words, other.words)).map(([value, { words, n }]) => [value, t("choice", { words, n })]);
  const all = [["", t("filter.all")]];
  return {
    status: [...all, ...pairs(count.status)],
    trouble: [...all, ["any", t("choice", { words: t("filter.any_trouble"), n: any })], ...pairs(count.trouble)],
    shed: [...all, ...pairs(count.shed)],
    group: [...all, ...pairs(count.group)],
  };
}

// `by` is the name of a column with - before it for the other way round. What is not known is last.
export function sorted(rows, by, columns) {
  const down = by.startsWith("-");
  const column = columns[down ? by.slice(1) : by];
  if (!column) return rows;
  const value = new Map(rows.map((row) => [row, column.value(row)]));
  const compare = (one, other) => (typeof one === "number" && typeof other === "number" ? one - other : names.compare(String(one), String(other)));
  return [...rows].sort((one, other) => {
    const [a, b] = [value.get(one), value.get(other)];
    if (a === null || b === null) return (a === null) - (b === null) || names.compare(one.place, other.place);
    return (down ? compare(b, a) : compare(a, b)) || names.compare(one.place, other.place);
  });
}

// Rows in their groups: [{key, name, thing, rows}]. `thing` is what a command for all of them names,
// null where there is no such thing. A port of two groups stands in both.
export function grouped(rows, by) {
  const found = new Map();
  const add = (key, name, thing, row) => {
    if (!found.has(key)) found.set(key, { key, name, thing, rows: [] });
    found.get(key).rows.push(row);
  };
  for (const row of rows) {
    if (by === "site") add(row.account, row.account, null, row);
    else if (by === "station") {
      const name = row.station.name || row.cpid;
      add(`${row.account} ${row.cpid}`, name === row.cpid ? name : `${name} (${row.cpid})`, { ...row.station, connectorId: null }, row);
    } else if (row.groups.length) {
      for (const id of row.groups) {
        const thing = model.groups.find((each) => each.account === row.account && each.group === id) ?? null;
        add(`${row.account} ${id}`, model.groupName(row.account, id), thing, row);
      }
    } else add("", t("group.none"), null, row);
  }
  return [...found.values()].sort((one, other) => (one.key === "") - (other.key === "") || names.compare(one.name, other.name));
}
