// The sessions of a port in a range of days; one that is chosen shows its load over time.

import { loadChart } from "./chart.js";
import { button, csv, download, make, options, say } from "./dom.js";
import { DASH, clock, full, iso, kwh, lasting, now, since } from "./format.js";
import { get } from "./read.js";
import { t } from "./texts.js";

const DAYS = [1, 7, 31, 365];
const COLUMNS = ["began", "ended", "lasted", "energy_of", "chart"];

export function build(root, row) {
  let sessions = [], chart = null, closed = false;
  const range = make("select", { id: "sessions-days" });
  options(range, DAYS.map((days) => [String(days), t("days", { n: days })]), "7");
  range.addEventListener("change", read);
  const hint = make("p", { class: "hint", role: "status" });
  const body = make("tbody", { id: "port-sessions" });
  const table = make("table", { class: "stack" }, make("thead", {}, make("tr", {}, ...COLUMNS.map((name) => make("th", { scope: "col" }, t(`session.${name}`))))), body);
  const box = make("div", { id: "session-chart" });
  root.append(
    make("div", { class: "tools" }, make("label", { for: "sessions-days" }, `${t("chart.range")} `, range), button(t("csv"), exportCsv), button(t("refresh"), read)),
    hint, box, make("div", { class: "scroll card", role: "region", "aria-label": t("sessions.table"), tabindex: "0" }, table),
  );
  read();
  return {
    update: () => chart?.update(),
    close() {
      closed = true;
      chart?.close();
    },
  };

  async function read() {
    say(hint, t("reading"));
    const start = new Date(now() - Number(range.value) * 86400000).toISOString();
    const { content, words } = await get("history", { account: row.account, cpid: row.cpid, start });
    if (closed) return;
    if (!content) {
      say(hint, words);
      return;
    }
    sessions = content.sessions.filter((each) => each.connectorId === null || each.connectorId === row.connectorId).reverse();
    say(hint, sessions.length ? t("sessions.sum", { n: sessions.length, energy: energyWords() }) : t("sessions.none"));
    body.replaceChildren(...sessions.map(draw));
  }

  // The sum of what is known, with the number of sessions of which it is not.
  function energyWords() {
    const known = sessions.map((each) => each.energy).filter((energy) => energy !== null);
    const unknown = sessions.length - known.length;
    if (!known.length) return t("unknown");
    const energy = kwh(known.reduce((sum, each) => sum + each, 0));
    return unknown ? `${t("at_least", { value: energy })} (${t("sum.unknown", { n: unknown })})` : energy;
  }

  function draw(session) {
    const lasts = session.durationSecs ?? (session.startTime && !session.endTime ? since(session.startTime) : null);
    const words = [full(session.startTime), session.endTime ? clock(session.endTime) : t("session.running"), lasting(lasts), session.energy === null ? DASH : kwh(session.energy)];
    const cells = words.map((shown, index) => make("td", { "data-label": t(`session.${COLUMNS[index]}`) }, shown));
    const show = button(t("session.show"), () => open(session), { "aria-label": t("session.show.of", { time: full(session.startTime) }) });
    return make("tr", {}, ...cells, make("td", { "data-label": t("session.chart") }, ...(session.startTime ? [show] : [])));
  }

  function open(session) {
    chart?.close();
    const fixed = { start: Date.parse(session.startTime) / 1000, end: session.endTime ? Date.parse(session.endTime) / 1000 : null };
    chart = loadChart(box, { thing: { account: row.account, cpid: row.cpid, connectorId: row.connectorId }, fixed, names: ["srange", "sfrom", "sto"] });
    chart.update();
    box.scrollIntoView({ block: "nearest" });
  }

  function exportCsv() {
    const head = ["port", "began", "ended", "seconds", "energy_wh"].map((name) => t(`session.${name}`));
    download("sessions.csv", csv([head, ...sessions.map((each) => [row.place, iso(Date.parse(each.startTime ?? "") || null), iso(Date.parse(each.endTime ?? "") || null), each.durationSecs, each.energy])]));
  }
}
