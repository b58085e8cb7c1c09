// uPlot with our colours. The library is fetched when the first chart is drawn.

import { make } from "./dom.js";
import { language, site } from "./texts.js";

const LINES = [
  { name: "load", of: (s) => (s[7] > 0 ? null : s[2]), color: "--load", fill: "--load-soft", width: 2 },
  { name: "part", of: (s) => (s[7] > 0 ? s[2] : null), color: "--load", width: 2, dash: [2, 4] },
  { name: "allowed", of: (s) => s[4], color: "--cap", width: 2, dash: [8, 3] },
  { name: "capacity", of: (s) => s[5], color: "--edge", width: 1 },
  { name: "headroom", of: (s) => s[6], color: "--good", width: 1, dash: [4, 2] },
];
// Width of a time, like 12:45 PM.
const LABEL = 64;
let library = null;

export class Plot {
  // `zoom(start, end)` in seconds, `point(index)` of the sample under the pointer or null.
  constructor(box, handlers) {
    this.box = box;
    this.handlers = handlers;
    this.samples = [];
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(box);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.again = () => this.build();
    this.scheme.addEventListener("change", this.again);
  }

  close() {
    this.observer.disconnect();
    this.scheme.removeEventListener("change", this.again);
    this.plot?.destroy();
    this.isClosed = true;
  }

  async set(samples, start, end) {
    this.samples = samples;
    this.range = [start, end];
    library ??= load();
    this.uPlot = await library;
    if (this.isClosed) return;
    if (!this.plot) this.build();
    else {
      this.plot.setData(this.data(), false);
      this.plot.setScale("x", { min: start, max: end });
    }
  }

  // Columns for uPlot. A sample holds until its end; a null after it makes a gap.
  data() {
    const columns = [[], ...LINES.map(() => [])];
    this.indexes = [];
    const add = (time, values, index) => {
      columns[0].push(time);
      values.forEach((value, at) => columns[at + 1].push(value));
      this.indexes.push(index);
    };
    const nothing = LINES.map(() => null);
    this.samples.forEach((sample, index) => {
      const values = LINES.map(({ of }) => of(sample)), next = this.samples[index + 1];
      add(sample[0], values, index);
      const follows = next && next[0] - sample[1] < 1.5;
      const changes = !follows || LINES.some(({ of }, at) => (of(next) === null) !== (values[at] === null));
      if (changes) add(Math.max(sample[1] - 0.5, sample[0] + 0.1), values, index);
      if (next && !follows) add(sample[1], nothing, index);
    });
    return columns;
  }

  build() {
    if (!this.uPlot || this.isClosed) return;
    this.plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(name).trim();
    const { uPlot } = this;
    const path = uPlot.paths.stepped({ align: 1 });
    const axis = { stroke: color("--dim"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const options = {
      ...this.size(),
      series: [{}, ...LINES.map((line) => ({ label: line.name, stroke: color(line.color), fill: line.fill ? color(line.fill) : undefined, width: line.width, dash: line.dash, paths: path, points: { show: false } }))],
      scales: { x: { time: true }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(1, (high ?? 0) * 1.08)] } },
      padding: [null, LABEL / 2, null, null],
      axes: [{ ...axis, space: LABEL + 16, values: (_, splits, __, ___, step) => splits.map((split) => tick(split, step)) }, { ...axis, size: (_, values) => 16 + 7.5 * Math.max(4, ...(values ?? []).map((words) => words.length)), values: (_, splits) => splits.map((split) => `${split} kW`) }],
      legend: { show: false },
      cursor: { points: { show: false }, drag: { x: true, y: false, setScale: false } },
      tzDate: (time) => (site.timeZone ? uPlot.tzDate(new Date(time * 1000), site.timeZone) : new Date(time * 1000)),
      hooks: {
        setSelect: [(plot) => {
          const { left, width } = plot.select;
          if (width < 5) return;
          this.handlers.zoom(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
          plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        }],
        setCursor: [(plot) => this.handlers.point(plot.cursor.idx === null || plot.cursor.idx === undefined ? null : this.indexes[plot.cursor.idx] ?? null)],
      },
    };
    this.plot = new uPlot(options, this.data(), this.box);
    this.plot.setScale("x", { min: this.range[0], max: this.range[1] });
    this.plot.over.addEventListener("dblclick", () => this.handlers.zoom(null, null));
  }

  size() {
    return { width: Math.max(this.box.clientWidth, 200), height: Math.max(this.box.clientHeight, 160) };
  }

  resize() {
    const { width, height } = this.size();
    if (this.plot && (this.plot.width !== width || this.plot.height !== height)) this.plot.setSize({ width, height });
  }
}

async function load() {
  if (!document.querySelector("link[data-plot]")) document.head.append(make("link", { rel: "stylesheet", href: "/page/vendor/uplot/uPlot.min.css", "data-plot": "" }));
  return (await import("./vendor/uplot/uPlot.esm.js")).default;
}

const zone = { timeZone: site.timeZone ?? undefined };
const TIME = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", ...zone });
const DAY = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", ...zone });
const MONTH = new Intl.DateTimeFormat(language, { month: "short", year: "numeric", ...zone });

const HOUR = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...zone });

function tick(time, step) {
  const date = new Date(time * 1000);
  if (step >= 28 * 86400) return MONTH.format(date);
  return step >= 86400 || HOUR.format(date) === "00:00" ? DAY.format(date) : TIME.format(date);
}
