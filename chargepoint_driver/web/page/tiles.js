// A tile for each port and for each station group. What cannot be read now is shown as it was, and
// marked.

import { ask } from "./ask.js";
import { button, make, say } from "./dom.js";
import { UNKNOWN, ago, kw, percent, place } from "./format.js";
import { model } from "./model.js";
import { t } from "./texts.js";
import { SHED_LOOKS, asOf, commandsOf, known, limitWords, loadWords, orDash, sessionWords, shedNotes, shedWords, troublesOf } from "./values.js";

function put(element, shown, words) {
  say(element, words);
  element.classList.toggle("old", Boolean(shown.old));
}

function facts(names) {
  const parts = {};
  const list = make("dl", { class: "facts" });
  for (const name of names) {
    parts[name] = make("dd");
    list.append(make("dt", {}, t(`fact.${name}`)), parts[name]);
    if (name === "shed") {
      parts.reason = make("dd", { class: "wide" });
      list.append(parts.reason);
    }
  }
  return { list, parts };
}

// Buttons of all commands; those that can do something now are shown.
export function buttons(names, thing) {
  const box = make("div", { class: "buttons" });
  for (const name of names) {
    box.append(button(t(`command.${name}.button`), () => ask(name, box.thing), { "data-do": name, "aria-label": t(`command.${name}.of`, { place: place(thing) }) }));
  }
  updateButtons(box, thing);
  return box;
}

export function updateButtons(box, thing) {
  box.thing = thing;
  const can = commandsOf(thing, model);
  for (const each of box.children) {
    const hidden = !can.includes(each.dataset.do);
    if (each.hidden === hidden) continue;
    const focused = document.activeElement === each;
    each.hidden = hidden;
    // The button that had the focus has done its work: the next one takes it.
    if (focused && hidden) box.querySelector("button:not([hidden])")?.focus();
  }
}

function bar() {
  const fill = make("i"), mark = make("b");
  const meter = make("div", { class: "meter", role: "meter", "aria-label": t("fact.load"), "aria-valuemin": "0" }, fill, mark);
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
  meter.setAttribute("aria-valuetext", load === null ? UNKNOWN : t("of", { value: kw(load), most: kw(most) }));
}

export function buildPort(row, open) {
  const { list, parts } = facts(["load", "limit", "shed", "battery", "session", "contact"]);
  const title = button(row.name || row.cpid, () => open(row), { class: "link" });
  const head = make("h3", {}, title, make("span", { class: "where" }, t("port.where", { port: row.connectorId, cpid: row.cpid })));
  const chip = make("span", { class: "chip" });
  const old = make("p", { class: "as-of" });
  const trouble = make("p", { class: "trouble" });
  const meter = bar();
  const box = buttons(model.isDirect(row.account) ? ["shed", "clear", "start", "stop"] : ["shed", "clear"], row.port);
  title.setAttribute("aria-label", t("port.open", { place: row.place }));
  const tile = make("article", { class: "tile" }, make("div", { class: "head" }, head, chip), old, meter.meter, list, trouble, box);
  const item = make("li", {}, tile);
  item.parts = { ...parts, title, chip, old, trouble, meter, box, tile };
  return item;
}

export function updatePort(item, row) {
  const { parts } = item;
  const { load, status, state, shed, battery } = row;
  updateButtons(parts.box, row.port);
  say(parts.title, row.name || row.cpid);
  say(parts.chip, status.words);
  parts.chip.className = `chip ${status.look}`;
  parts.tile.className = `tile ${status.look}${load.old || status.old ? " stale" : ""}`;
  fillBar(parts.meter, load.value, row.rating, row.limit);
  put(parts.load, load, loadWords(row));
  put(parts.limit, state, limitWords(row));
  putShed(parts, row.port, shed);
  put(parts.battery, battery, orDash(battery, percent));
  put(parts.session, { old: model.sessionsOld(row.account) }, sessionWords(row, model));
  put(parts.contact, { old: null }, orDash(row.contact, ago));
  say(parts.old, asOf(load, status, state));
  say(parts.trouble, row.troubles.slice(0, 3).map(({ words }) => words).join(" "));
}

function putShed(parts, thing, shown) {
  const reason = known(thing, "shedReason", model.away, "getLoad").value;
  put(parts.shed, shown, shedWords(thing, shown));
  parts.shed.dataset.look = SHED_LOOKS[shown.value] ?? "";
  say(parts.reason, shedNotes(thing, shown, reason && model.named(reason)));
}

export function buildGroup(group) {
  const { list, parts } = facts(["load", "total", "headroom", "shed"]);
  const old = make("p", { class: "as-of" });
  const trouble = make("p", { class: "trouble" });
  const box = buttons(["shed", "clear"], group);
  const where = t("group.where", { n: group.stations.length, id: group.group });
  const head = make("h3", {}, group.name ?? t("group.id", { id: group.group }), make("span", { class: "where" }, where));
  const tile = make("article", { class: "tile" }, make("div", { class: "head" }, head), old, list, trouble, box);
  const item = make("li", {}, tile);
  item.parts = { ...parts, old, trouble, box, tile };
  return item;
}

export function updateGroup(item, group) {
  const { parts } = item;
  const read = (name) => known(group, name, model.away, "getLoad");
  updateButtons(parts.box, group);
  const load = read("siteLoad"), wanted = read("commandedLoad"), room = read("siteHeadroom");
  const { commandedLoad, commandedPercent } = group.values;
  put(parts.load, load, kw(load.value));
  put(parts.total, wanted, typeof commandedPercent === "number" ? t("percent_shed", { n: commandedPercent }) : typeof commandedLoad === "number" ? kw(commandedLoad) : wanted.failed ? UNKNOWN : t("none"));
  // siteHeadroom is the commanded limit minus the load: without a limit there is none.
  put(parts.headroom, room, room.value !== null ? kw(room.value) : room.failed || load.value === null ? UNKNOWN : t("no_limit_commanded"));
  putShed(parts, group, read("shedStatus"));
  say(parts.old, asOf(load));
  say(parts.trouble, troublesOf(group).slice(0, 3).map(({ words }) => words).join(" "));
  parts.tile.classList.toggle("stale", Boolean(load.old));
}
