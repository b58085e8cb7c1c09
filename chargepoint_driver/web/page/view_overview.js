// The site at a glance: figures, what needs somebody, load over time, station groups, ports.

import { loadChart } from "./chart.js";
import { button, keep, make, options, part, say } from "./dom.js";
import { DASH, UNKNOWN, clock, kw, place } from "./format.js";
import { model } from "./model.js";
import { Ports } from "./ports.js";
import { t, word } from "./texts.js";
import { buildGroup, updateGroup } from "./tiles.js";
import { url } from "./url.js";
import { heading, missing, section, unlisted } from "./words.js";

const FEW_GROUPS = 6;
const FEW_TROUBLES = 4;

export function build(root, app) {
  const figures = make("dl", { id: "figures", class: "figures" });
  const attention = make("ul", { id: "attention", class: "list attention" });
  const chart = make("div", { id: "chart-part" });
  const groups = make("ul", { id: "groups", class: "tiles" });
  const more = button("", () => url.set({ groups: url.get("groups") ? "" : "all" }), { class: "more" });
  const groupPart = section("groups-title", t("groups.title"), groups, more);
  const ports = new Ports(app);
  root.append(
    section("site-title", t("site.title"), figures, attention),
    section("chart-title", t("chart.title"), chart),
    groupPart,
    ports.element,
  );
  const drawn = loadChart(chart);
  return {
    update() {
      drawFigures(figures);
      drawAttention(attention);
      groupPart.hidden = !model.groups.length;
      const shown = url.get("groups") ? model.groups : model.groups.slice(0, FEW_GROUPS);
      keep(groups, shown, (group) => `${group.account} ${group.group}`, buildGroup, updateGroup);
      more.hidden = model.groups.length <= FEW_GROUPS;
      say(more, url.get("groups") ? t("groups.fewer") : t("groups.all", { n: model.groups.length }));
      drawn.update();
      ports.update();
    },
    close() {
      drawn.close();
      ports.close();
    },
  };
}

function drawFigures(element) {
  const { site } = model.state;
  const lists = unlisted();
  const some = [missing(site.portsUnknown), lists].filter(Boolean).join(", ");
  const old = model.away ? t("as_of", { time: clock(model.state.time) }) : "";
  const load = site.load !== null && some ? t("at_least", { value: kw(site.load) }) : kw(site.load);
  const rows = [
    ["load", site.load === null && !some ? DASH : load, [some, old].filter(Boolean).join(", ")],
    ["allowed", kw(site.allowed), site.allowed === null ? lists || t("site.limit_unknown") : ""],
    ["headroom", headroom(site), headroomNote(site) || lists],
    ["charging", counted(site.portsCharging, site.ports - site.portsUnknown), some],
    ["shed", counted(site.portsShed, site.ports - site.portsShedUnknown), [missing(site.portsShedUnknown), lists].filter(Boolean).join(", ")],
  ];
  const buildOne = ([name]) => make("div", {}, make("dt", {}, t(`figure.${name}`)), make("dd", {}, make("span"), make("small")));
  keep(element, rows, ([name]) => name, buildOne, (item, [, value, note]) => {
    say(item.querySelector("span"), value);
    say(item.querySelector("small"), note);
  });
}

// Headroom is siteHeadroom, here and in the points: the commanded limit minus the load.
function headroom(site) {
  if (site.headroom !== null) return kw(site.headroom);
  return site.portsUnlimited && !site.portsUnknown && !site.accountsUnknown ? t("no_limit") : UNKNOWN;
}

function headroomNote(site) {
  if (site.headroom !== null || !site.portsUnlimited) return "";
  if (site.portsUnknown) return missing(site.portsUnknown);
  return site.portsUnlimited === site.ports ? t("no_limit_commanded") : t("no_limit_commanded_for", { n: site.portsUnlimited, of: site.ports });
}

function counted(number, of) {
  return number === null ? UNKNOWN : t("counted", { n: number, of });
}

// The newest alarms and what needs maintenance, and the way to all of them.
function drawAttention(element) {
  const { alarms, alarmsUnknown, maintenance, maintenanceUnknown } = model.state;
  const all = [
    ...alarms.map((each) => ({ ...each, words: t("trouble.alarm", { type: each.alarmType }), time: each.alarmTime })),
    ...maintenance.map((each) => ({ ...each, words: t("trouble.maintenance", { reason: word("reason", each.reason) }), time: null })),
  ].filter((each) => !each.acknowledged);
  const rest = [
    missing(Math.max(alarmsUnknown, maintenanceUnknown)),
    all.length > FEW_TROUBLES ? t("attention.more", { n: all.length - FEW_TROUBLES }) : "",
  ].filter(Boolean).join(", ");
  const lines = all.slice(0, FEW_TROUBLES).map((each) => ({ key: `${each.account} ${each.cpid} ${each.connectorId} ${each.words}`, place: place(each), words: each.words, time: each.time ? t("since", { time: clock(each.time) }) : "" }));
  lines.push({ key: "rest", place: lines.length || rest ? t("attention.all") : t("attention.none"), words: rest, time: "", link: true });
  keep(element, lines, ({ key }) => key, ({ link }) => make("li", {}, link ? make("a", { href: "/?view=alarms", "data-link": "" }) : make("span"), make("strong"), make("span", { class: "hint" })), (item, line) => {
    [line.place, line.words, line.time].forEach((words, index) => say(item.children[index], words));
  });
}
