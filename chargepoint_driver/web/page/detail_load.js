// What a port does now, and its load over time.

import { loadChart } from "./chart.js";
import { keep, make, say } from "./dom.js";
import { ago, kw, percent, text } from "./format.js";
import { model } from "./model.js";
import { t } from "./texts.js";
import { asOf, known, limitWords, loadWords, orDash, sessionWords, shedNotes, shedWords } from "./values.js";

export function build(root, row) {
  const old = make("p", { class: "as-of" });
  const facts = make("dl", { class: "facts" });
  const chart = make("div");
  root.append(old, facts, chart);
  const drawn = loadChart(chart, { thing: { account: row.account, cpid: row.cpid, connectorId: row.connectorId }, names: ["prange", "pfrom", "pto"] });
  return {
    update(now) {
      say(old, asOf(now.load, now.status, now.state));
      const reason = known(now.port, "shedReason", model.away, "getLoad").value;
      const rows = [
        ["fact.load", loadWords(now)],
        ["fact.limit", limitWords(now)],
        ["fact.shed", [shedWords(now.port, now.shed), shedNotes(now.port, now.shed, reason && model.named(reason))].filter(Boolean).join("; ")],
        ["fact.headroom", now.port.values.siteHeadroom == null ? t("no_limit_commanded") : kw(now.port.values.siteHeadroom)],
        ["fact.battery", orDash(now.battery, percent)],
        ["fact.session", sessionWords(now, model)],
        ["fact.contact", orDash(now.contact, ago)],
        ["fact.connector", text([now.port.station.Connector, now.port.station.Level].filter(Boolean).join(", "))],
      ];
      keep(facts, rows.flatMap(([name, words]) => [[`${name} name`, t(name), "dt"], [name, words, "dd"]]), ([key]) => key, ([, , tag]) => make(tag), (element, [, words]) => say(element, words));
      drawn.update();
    },
    close: () => drawn.close(),
  };
}
