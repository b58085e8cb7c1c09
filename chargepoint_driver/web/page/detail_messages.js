// The stored messages of a charger that connects directly, newest first.

import { button, csv, download, keep, make, options, say } from "./dom.js";
import { full, iso } from "./format.js";
import { get } from "./read.js";
import { t } from "./texts.js";

const AGAIN_MS = 5000;
const PAGE = 100;
const MAX_KEPT = 2000;

export function build(root, row) {
  const action = make("select", { id: "messages-action" });
  const find = make("input", { id: "messages-find", type: "search", autocomplete: "off" });
  const mine = make("input", { id: "messages-mine", type: "checkbox" });
  const hint = make("p", { class: "hint", role: "status" });
  const body = make("ul", { id: "messages", class: "list messages" });
  const more = button(t("messages.older"), older, { class: "more" });
  root.append(
    make("div", { class: "tools" }, make("label", { for: "messages-action" }, `${t("messages.action")} `, action), make("label", { for: "messages-find" }, `${t("filter.find")} `, find), make("label", { for: "messages-mine" }, mine, t("messages.mine")), button(t("csv"), exportCsv)),
    hint, body, more,
  );
  action.addEventListener("change", again);
  find.addEventListener("input", draw);
  mine.addEventListener("change", draw);
  let messages = [], before = null, wrong = "", closed = false, actions = new Set();
  const timer = setInterval(newest, AGAIN_MS);
  newest();
  return {
    update() {},
    close() {
      closed = true;
      clearInterval(timer);
    },
  };

  function again() {
    messages = [];
    before = null;
    newest();
  }

  async function read(values) {
    const asked = action.value;
    const { content, words } = await get("messages", { account: row.account, cpid: row.cpid, action: asked, limit: PAGE, ...values });
    if (closed || asked !== action.value) return null;
    wrong = words;
    return content;
  }

  async function newest() {
    const content = await read({});
    if (content) {
      const known = new Set(messages.map(({ id }) => id));
      const added = content.messages.filter(({ id }) => !known.has(id));
      // Between these and what is known there may be more: what is known is then left out.
      const follows = added.length < content.messages.length || !messages.length;
      if (!follows || !messages.length) before = content.before;
      messages = [...added, ...(follows ? messages : [])].slice(0, MAX_KEPT);
    }
    draw();
  }

  async function older() {
    const content = await read({ before });
    if (content) {
      messages = [...messages, ...content.messages];
      before = content.before;
    }
    draw();
  }

  function wanted() {
    const words = find.value.trim().toLowerCase();
    return messages.filter((each) => (!mine.checked || each.connectorId === null || each.connectorId === row.connectorId) && (!words || `${each.action} ${JSON.stringify(each.data)}`.toLowerCase().includes(words)));
  }

  function draw() {
    for (const each of messages) actions.add(each.action);
    options(action, [["", t("filter.all")], ...[...actions].sort().map((name) => [name, name])], action.value);
    const shown = wanted();
    keep(body, shown, ({ id }) => String(id), build1);
    more.hidden = before === null;
    say(hint, wrong || (shown.length ? t("messages.count", { n: shown.length }) : t("messages.none")));
  }

  function build1(each) {
    const text = JSON.stringify(each.data);
    const head = make("summary", {}, make("span", { class: "hint" }, full(each.time)), " ", make("strong", {}, each.action), " ", make("span", { class: "cut" }, text));
    const details = make("details", {}, head);
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) details.append(make("pre", { tabindex: "0" }, JSON.stringify(each.data, null, 2)));
    });
    return make("li", {}, details);
  }

  function exportCsv() {
    const head = ["id", "time", "received", "connector", "action", "data"].map((name) => t(`csv.${name}`));
    download("messages.csv", csv([head, ...wanted().map((each) => [each.id, iso(Date.parse(each.time)), iso(Date.parse(each.received)), each.connectorId, each.action, JSON.stringify(each.data)])]));
  }
}
