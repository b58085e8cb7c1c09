// Load, most allowed, capacity and headroom over time, of the site, a group or a port. The samples
// come from the server's store; where there are none nothing is drawn.

import { button, csv, download, make, options, say } from "./dom.js";
import { clock, full, iso, kw, now, number, place } from "./format.js";
import { model } from "./model.js";
import { Plot } from "./plot.js";
import { t } from "./texts.js";
import { url } from "./url.js";

const RANGES = { "1h": 3600, "6h": 21600, "24h": 86400, "7d": 604800, "31d": 2678400, "1y": 31536000 };
const MIN_SPAN_S = 300;
const AGAIN_MS = 15000;
const EMPTY_AGAIN_MS = 3000;
const ROWS = 30;
let count = 0;

// A chart of a thing ({account, cpid, connectorId} or {account, group}), or of what is chosen in the
// chart. `fixed`: {start, end} in seconds instead of a range up to now; `names`: the names of range,
// begin and end in the address, so that two charts do not share them.
export function loadChart(box, { thing = null, fixed = null, names = ["range", "from", "to"] } = {}) {
  const id = `chart-${(count += 1)}`;
  const [rangeName, fromName, toName] = names;
  const what = make("select", { id: `${id}-what` });
  const range = make("select", { id: `${id}-range` });
  const caption = make("figcaption", {});
  const canvas = make("div", { class: "plot" });
  const numbers = make("tbody");
  const shift = (words, change, name) => button(words, () => zoomTo(...change(span())), { "aria-label": t(`chart.${name}`), title: t(`chart.${name}`), "data-chart": name });
  const tools = make(
    "div", { class: "tools" },
    make("label", { for: `${id}-what` }, `${t("chart.of")} `, what),
    make("label", { for: `${id}-range` }, `${t("chart.range")} `, range),
    shift("\u25c2", ([start, end]) => [start - (end - start) / 2, end - (end - start) / 2], "earlier"),
    shift("\u25b8", ([start, end]) => [start + (end - start) / 2, end + (end - start) / 2], "later"),
    shift("+", ([start, end]) => [start + (end - start) / 4, end - (end - start) / 4], "in"),
    shift("\u2212", ([start, end]) => [start - (end - start) / 2, end + (end - start) / 2], "out"),
    button(t("chart.whole"), () => zoomTo(null, null), { "data-chart": "whole" }),
    button(t("csv"), exportCsv, { "data-chart": "csv" }),
  );
  const head = ["time", "load", "allowed", "capacity", "headroom"].map((name) => make("th", { scope: "col" }, t(`chart.${name}`)));
  const legend = make("ul", { class: "legend", "aria-hidden": "true" }, ...["load", "part", "allowed", "capacity", "headroom"].map((name) => make("li", { class: name }, t(`chart.${name}.legend`))));
  const table = make("details", {}, make("summary", {}, t("chart.numbers")), make("div", { class: "scroll", role: "region", "aria-label": thing ? `${t("chart.table")}: ${place({ ...thing, name: model.nameOf(thing.account, thing.cpid) })}` : t("chart.table"), tabindex: "0" }, make("table", {}, make("thead", {}, make("tr", {}, ...head)), numbers)));
  const figure = make("figure", { class: "card chart", id }, tools, caption, canvas, legend, table);
  box.append(figure);
  what.parentElement.hidden = Boolean(thing);
  range.parentElement.hidden = Boolean(fixed);

  let samples = [], source = "", asked = 0, key = "", failed = "", closed = false;
  const plot = new Plot(canvas, { zoom: zoomTo, point: (index) => say(caption, words(index)) });
  what.addEventListener("change", () => url.set({ chart: what.value }));
  range.addEventListener("change", () => url.set({ [rangeName]: range.value === "24h" ? "" : range.value, [fromName]: "", [toName]: "" }));

  function span() {
    const from = Number(url.get(fromName)), to = Number(url.get(toName));
    if (from && to > from) return [from, to];
    if (fixed) return [fixed.start, fixed.end ?? now() / 1000];
    return [now() / 1000 - (RANGES[url.get(rangeName, "24h")] ?? RANGES["24h"]), now() / 1000];
  }

  function isLive() {
    return !url.get(fromName) && !(fixed && fixed.end);
  }

  function zoomTo(start, end) {
    if (start === null) {
      url.set({ [fromName]: "", [toName]: "" });
      return;
    }
    const middle = (start + end) / 2, half = Math.max(end - start, MIN_SPAN_S) / 2;
    const last = Math.min(middle + half, now() / 1000);
    url.set({ [fromName]: Math.round(middle - half), [toName]: Math.round(Math.max(last, middle - half + MIN_SPAN_S)) });
  }

  function query() {
    const wanted = thing ?? (url.get("chart") ? { account: url.get("chart").split("~")[0], group: url.get("chart").split("~")[1] } : {});
    return ["account", "cpid", "connectorId", "group"].filter((name) => wanted[name]).map((name) => [name, wanted[name]]);
  }

  async function read() {
    const [start, end] = span();
    const mine = `${query()} ${url.get(rangeName)} ${url.get(fromName)} ${url.get(toName)}`;
    const isNew = mine !== key;
    if (!isNew && (!isLive() || Date.now() - asked < (samples.length ? AGAIN_MS : EMPTY_AGAIN_MS))) return;
    asked = Date.now();
    key = mine;
    // Of a chart that is shown already only what came since is asked for.
    const since = isNew || !samples.length ? start : samples.at(-1)[0];
    const parameters = new URLSearchParams([...query(), ["start", new Date(since * 1000).toISOString()], ["end", new Date(Math.max(end, since + 1) * 1000).toISOString()]]);
    try {
      const answer = await fetch(`/api/v1/series?${parameters}`, { cache: "no-store" });
      if (closed || key !== mine) return;
      const content = await answer.json();
      failed = answer.ok ? "" : content.error.message;
      if (answer.ok) {
        const kept = isNew ? [] : samples.filter((sample) => sample[0] < since && sample[1] > start);
        samples = [...kept, ...content.samples];
        source = content.source;
      }
    } catch {
      // The stream shows that the server is away; the chart goes on with what it has.
      return;
    }
    draw();
  }

  function draw() {
    const [start, end] = span();
    // A short record fills the width, but never with less than ten minutes.
    const first = samples.length ? samples[0][0] : start;
    const begin = isLive() && !fixed ? Math.max(start, Math.min(first, end - 600)) : start;
    plot.set(samples, begin, end);
    say(caption, words(null));
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", summary());
    figure.dataset.samples = samples.length;
    const every = Math.max(1, Math.ceil(samples.length / ROWS));
    const rows = samples.filter((_, index) => (samples.length - 1 - index) % every === 0).reverse();
    numbers.replaceChildren(...rows.map((sample) => make("tr", {}, ...[clock(sample[0] * 1000), loadOf(sample), ...[4, 5, 6].map((column) => number(sample[column]))].map((shown) => make("td", {}, shown)))));
  }

  function summary() {
    const last = samples.at(-1);
    if (!last) return failed || t("chart.empty");
    const loads = samples.map((sample) => sample[3]).filter((load) => load !== null);
    return t("chart.summary", { last: loadOf(last), peak: loads.length ? kw(Math.max(...loads)) : t("unknown"), allowed: kw(last[4]) });
  }

  function words(index) {
    const sample = samples[index ?? samples.length - 1];
    if (!sample) return failed || t("chart.empty");
    const more = [
      t("chart.point", { time: full(sample[0] * 1000), load: loadOf(sample), allowed: kw(sample[4]) }),
      sample[5] === null ? "" : t("chart.point.capacity", { capacity: kw(sample[5]) }),
      sample[6] === null ? "" : t("chart.point.headroom", { headroom: kw(sample[6]) }),
      sample[7] ? t("ports_unknown", { n: sample[7] }) : "",
      source && source !== "page" ? t("chart.source", { source }) : "",
    ];
    return more.filter(Boolean).join(", ");
  }

  function exportCsv() {
    const [start, end] = span();
    const head = ["begin", "end", "load", "peak", "allowed", "capacity", "headroom", "unknown"].map((name) => t(`csv.${name}`));
    const seen = samples.filter((sample) => sample[1] > start && sample[0] < end);
    download("load.csv", csv([head, ...seen.map((sample) => [iso(sample[0] * 1000), iso(sample[1] * 1000), ...sample.slice(2)])]));
  }

  function choices() {
    const accounts = model.state?.health.accounts ?? [];
    const found = [["", t("chart.site")]];
    if (accounts.length > 1) for (const { account } of accounts) found.push([account, account]);
    for (const group of model.groups) found.push([`${group.account}~${group.group}`, place({ name: model.groupName(group.account, group.group) })]);
    return found;
  }

  const stop = url.follow(() => read());
  return {
    update() {
      if (!thing) options(what, choices(), url.get("chart"));
      options(range, Object.keys(RANGES).map((name) => [name, t(`range.${name}`)]), url.get(rangeName, "24h"));
      read();
    },
    close() {
      closed = true;
      stop();
      plot.close();
      figure.remove();
    },
  };
}

function loadOf(sample) {
  return sample[2] !== null && sample[7] > 0 ? t("at_least", { value: kw(sample[2]) }) : kw(sample[2]);
}
