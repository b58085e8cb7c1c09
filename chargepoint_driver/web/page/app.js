// The page: takes the events of the stream, and shows the view that the address names.

import { onDone } from "./ask.js";
import { keep, make, part, say } from "./dom.js";
import { clock, lasting } from "./format.js";
import { model } from "./model.js";
import { Panel } from "./detail.js";
import { user } from "./roles.js";
import { Stream } from "./stream.js";
import { language, setLanguage, site, t, word } from "./texts.js";
import { url } from "./url.js";
import { VIEWS } from "./views.js";

const AGE_MS = 10000;
let view = null;
let queued = false;
let fading = 0;
const title = site.title ?? t("app.title");

const panel = new Panel();

const app = {
  openPort: (row) => url.set({ port: row.key.replaceAll(" ", "~"), tab: "" }, { push: true }),
};

const stream = new Stream(
  {
    stations: (found) => model.takeStations(found),
    state: (found) => model.takeState(found),
    sessions: (found) => model.takeSessions(found),
    // The last of each message: all parts are there.
    alive: (found) => {
      model.takeAlive(found);
      draw();
    },
  },
  () => draw(),
);

// Many messages in one moment are drawn once.
function draw() {
  if (queued) return;
  queued = true;
  requestAnimationFrame(() => {
    queued = false;
    drawNow();
  });
}

function drawNow() {
  model.setAway(stream.isAway);
  drawLive();
  // A view without its data would move what is in it when they come.
  part("view").hidden = !model.heard;
  if (!model.heard) return;
  drawNotices();
  view?.update?.();
  panel.update();
}

// Show the view that the address names, when it is another one.
async function show() {
  const name = url.get("view", "overview") in VIEWS ? url.get("view", "overview") : "overview";
  for (const link of part("views").querySelectorAll("a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (view?.name === name) {
    draw();
    return;
  }
  view?.close?.();
  const mine = (view = { name });
  const module = await VIEWS[name]();
  if (view !== mine) return;
  part("view").replaceChildren();
  document.title = name === "overview" ? title : `${t(`view.${name}`)} \u2013 ${title}`;
  Object.assign(view, module.build(part("view"), app));
  drawNow();
}

function drawLive() {
  const live = part("live");
  const { heard } = model;
  live.className = `live ${model.away ? "off" : heard ? "on" : ""}`;
  if (model.away) say(live, heard ? t("live.lost", { time: lasting(Math.floor((Date.now() - heard) / 5000) * 5) }) : t("live.unreachable"));
  else if (heard) say(live, t("live.on"));
  document.body.classList.toggle("away", model.away);
}

function drawNotices() {
  const { health, alerts } = model.state;
  const found = health.faults.map((fault) => fault);
  for (const account of health.accounts) {
    // One cause often has many effects: those of a kind are said once.
    const kinds = new Map();
    for (const [call, error] of Object.entries(account.errors)) kinds.set(error.code, [...(kinds.get(error.code) ?? []), [call, error]]);
    for (const errors of kinds.values()) {
      const calls = errors.length > 1 ? t("notice.calls", { calls: errors.map(([call]) => call).sort().join(", ") }) : "";
      found.push(t("notice.account", { account: account.account, calls, message: model.named(errors[0][1].message), code: errors[0][1].code }));
    }
  }
  // An alert that is over is not a present trouble.
  for (const alert of alerts.filter((each) => !each.over).slice(0, 5)) found.push(`${clock(alert.time)}, ${model.named(alert.about)}: ${model.named(alert.what)}`);
  keep(part("notices"), [...new Set(found)], (words) => words, (words) => make("li", {}, words));
}

function hideSaid() {
  clearTimeout(fading);
  say(part("said"), "");
}

onDone((words, milliseconds = 8000) => {
  hideSaid();
  say(part("said"), words);
  fading = setTimeout(hideSaid, milliseconds);
});

function buildHead() {
  part("views").append(...Object.keys(VIEWS).map((name) => make("a", { href: name === "overview" ? "/" : `/?view=${name}`, "data-view": name, "data-link": "", "data-words": t(`view.${name}`) }, t(`view.${name}`))));
  part("user").textContent = t("role.user", { name: user.name, role: word("role", user.role) });
  const select = part("language");
  select.append(...Object.entries(site.languages).map(([code, name]) => make("option", { value: code, lang: code }, name)));
  select.value = language;
  select.addEventListener("change", () => setLanguage(select.value));
  // Links within the page change the view without loading it again.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-link]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    url.go(link.getAttribute("href"));
    // Another view begins at its top.
    part("main").focus({ preventScroll: true });
    scrollTo(0, 0);
  });
  part("said-close").addEventListener("click", hideSaid);
  // The room that the style keeps free of what scrolls into view.
  for (const [name, element] of [["--head", document.querySelector("header")], ["--said", part("said").parentElement]]) {
    new ResizeObserver(() => document.documentElement.style.setProperty(name, `${element.offsetHeight}px`)).observe(element);
  }
}

buildHead();
url.follow(show);
show();
// Ages grow also when nothing comes.
setInterval(draw, 1000);
setInterval(() => model.age(), AGE_MS);
