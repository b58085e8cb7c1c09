// The site's load over time against the most that is allowed.

import { clock, kw, make, round } from "./words.js";

const SPACE = "http://www.w3.org/2000/svg";
const LEFT = 44, RIGHT = 10, TOP = 10, BOTTOM = 24;
// A longer time without samples was not looked at: nothing is drawn there.
const GAP_S = 120;
const STEPS = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
const TICKS_S = [300, 600, 900, 1800, 3600, 7200, 10800, 21600];
const ROWS = 24;

function svg(name, attributes, words) {
  const element = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (words !== undefined) element.textContent = words;
  return element;
}

export class Chart {
  constructor(box, caption, numbers) {
    this.box = box;
    this.caption = caption;
    this.numbers = numbers;
    this.samples = [];
    this.hours = 24;
    this.now = 0;
    new ResizeObserver(() => this.draw()).observe(box);
    box.addEventListener("pointermove", (event) => this.point(event.offsetX));
    box.addEventListener("pointerleave", () => this.point(null));
  }

  // Each sample is [seconds, load kW or null, most allowed kW or null, ports unknown, accounts
  // unknown].
  set(samples, hours, now) {
    this.samples = samples;
    this.hours = hours;
    this.now = now / 1000;
    this.draw();
  }

  add(sample, now) {
    this.now = now / 1000;
    const last = this.samples.at(-1);
    if (sample && (!last || sample[0] > last[0])) this.samples.push(sample);
    while (this.samples.length && this.samples[0][0] < this.now - this.hours * 3600) this.samples.shift();
    this.draw();
  }

  draw() {
    const width = this.box.clientWidth, height = this.box.clientHeight;
    if (!width) return;
    const first = this.samples.length ? this.samples[0][0] : this.now;
    // A short record fills the width, but never with less than ten minutes.
    const span = Math.min(this.hours * 3600, Math.max(600, (this.now - first) * 1.02));
    const start = this.now - span;
    const most = Math.max(1, ...this.samples.flatMap((s) => [s[1] ?? 0, s[2] ?? 0])) * 1.08;
    const x = (time) => LEFT + ((time - start) / span) * (width - LEFT - RIGHT);
    const y = (load) => height - BOTTOM - (load / most) * (height - TOP - BOTTOM);
    this.scale = { x, width, height };
    const picture = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": this.words() });
    this.grid(picture, { x, y, start, span, most, width, height });
    for (const run of runs(this.samples, (s) => s[1] !== null && !isPart(s))) {
      picture.append(svg("path", { class: "area", d: `${line(run, x, y, 1)}V${y(0)}H${x(run[0][0])}Z` }));
      picture.append(svg("path", { class: "load", d: line(run, x, y, 1) }));
    }
    for (const run of runs(this.samples, (s) => s[1] !== null && isPart(s))) {
      picture.append(svg("path", { class: "part", d: line(run, x, y, 1) }));
    }
    for (const run of runs(this.samples, (s) => s[2] !== null)) {
      picture.append(svg("path", { class: "cap", d: stairs(run, x, y) }));
    }
    this.box.replaceChildren(picture);
    this.point(null);
    this.table();
  }

  grid(picture, { x, y, start, span, most, width, height }) {
    const step = STEPS.find((each) => most / each <= 5) ?? 10000;
    for (let load = 0; load <= most; load += step) {
      picture.append(svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(load), y2: y(load) }));
      picture.append(svg("text", { x: LEFT - 6, y: y(load) + 4, "text-anchor": "end" }, load ? String(load) : "0 kW"));
    }
    const tick = TICKS_S.find((each) => span / each <= Math.max(2, width / 110)) ?? 21600;
    const zone = new Date(start * 1000).getTimezoneOffset() * 60;
    for (let time = Math.ceil((start - zone) / tick) * tick + zone; time < start + span; time += tick) {
      if (x(time) > width - 24 || x(time) < LEFT) continue;
      picture.append(svg("text", { x: x(time), y: height - 6, "text-anchor": "middle" }, clock(time * 1000)));
    }
  }

  words() {
    const last = this.samples.at(-1);
    if (!last) return "No load was read yet";
    const loads = this.samples.map((sample) => sample[1]).filter((load) => load !== null);
    const peak = loads.length ? `, at most ${kw(Math.max(...loads))}` : "";
    return `Load over time: ${least(last)}${kw(last[1])} at last${peak}; most allowed ${kw(last[2])}`;
  }

  point(offset) {
    const old = this.box.querySelector(".at");
    if (old) old.remove();
    let sample = this.samples.at(-1);
    if (offset !== null && this.samples.length) {
      const near = (each) => Math.abs(this.scale.x(each[0]) - offset);
      sample = this.samples.reduce((best, each) => (near(each) < near(best) ? each : best));
      const at = this.scale.x(sample[0]);
      this.box.firstChild.append(svg("line", { class: "at", x1: at, x2: at, y1: TOP, y2: this.scale.height - BOTTOM }));
    }
    const words = sample
      ? `${clock(sample[0] * 1000)}: ${least(sample)}${kw(sample[1])}, most allowed ${kw(sample[2])}${sample[3] ? `, ${sample[3]} ports unknown` : ""}`
      : "No load was read yet";
    if (this.caption.textContent !== words) this.caption.textContent = words;
  }

  table() {
    const every = Math.max(1, Math.ceil(this.samples.length / ROWS));
    const rows = this.samples.filter((_, index) => (this.samples.length - 1 - index) % every === 0);
    this.numbers.replaceChildren(
      ...rows.reverse().map((s) => make("tr", {}, make("td", {}, clock(s[0] * 1000)), make("td", {}, `${least(s)}${round(s[1])}`), make("td", {}, round(s[2])))),
    );
  }
}

// Whether the load is that of some ports only, so that more may flow.
function isPart(sample) {
  return sample[3] > 0 || sample[4] > 0;
}

function least(sample) {
  return sample[1] !== null && isPart(sample) ? "at least " : "";
}

// Samples that follow each other and are all wanted.
function runs(samples, wanted) {
  const found = [];
  let run = [];
  for (const sample of samples) {
    if (run.length && (!wanted(sample) || sample[0] - run.at(-1)[0] > GAP_S)) {
      found.push(run);
      run = [];
    }
    if (wanted(sample)) run.push(sample);
  }
  if (run.length) found.push(run);
  return found;
}

function line(run, x, y, column) {
  const points = run.map((sample) => `${x(sample[0]).toFixed(1)},${y(sample[column]).toFixed(1)}`);
  // One sample alone is a dot.
  return `M${points.join("L")}${run.length === 1 ? "h1.5" : ""}`;
}

function stairs(run, x, y) {
  const [first, ...rest] = run;
  const steps = rest.map((sample) => `H${x(sample[0]).toFixed(1)}V${y(sample[2]).toFixed(1)}`);
  return `M${x(first[0]).toFixed(1)},${y(first[2]).toFixed(1)}${steps.join("") || "h1.5"}`;
}
