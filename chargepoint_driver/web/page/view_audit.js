// The audit log: commands, logins and refused attempts, newest first.

import { button, download, keep, make, options, say } from "./dom.js";
import { DASH, full, now, place } from "./format.js";
import { model } from "./model.js";
import { get } from "./read.js";
import { t, word } from "./texts.js";
import { url } from "./url.js";
import { section } from "./words.js";

const COLUMNS = ["time", "by", "command", "target", "arguments", "result", "address"];
// Columns of sentences.
const WIDE = new Set(["arguments", "result"]);
const RANGES = { day: 1, week: 7, month: 31, all: null };
const PAGE = 100;
const FILTERS = { aby: "by", acommand: "command", aresult: "result", arange: "range" };

export function build(root) {
  const by = make("input", { id: "audit-by", type: "search", autocomplete: "off", value: url.get("aby") });
  const command = make("select", { id: "audit-command" });
  const result = make("select", { id: "audit-result" });
  const range = make("select", { id: "audit-range" });
  const hint = make("p", { id: "audit-say", class: "hint", role: "status" });
  const body = make("tbody", { id: "audit" });
  const more = button(t("messages.older"), () => read(after), { class: "more", id: "audit-more" });
  const csv = button(t("csv"), () => follow(`/api/v1/audit.csv?${new URLSearchParams(query())}`), { id: "audit-csv" });
  const json = button(t("json"), exportJson, { id: "audit-json" });
  const head = make("tr", {}, ...COLUMNS.map((name) => make("th", { scope: "col" }, t(`audit.${name}`))));
  const table = make("table", { class: "stack" }, make("thead", {}, head), body);
  const field = (name, input) => make("label", { for: input.id }, `${t(`audit.${name}`)} `, input);
  const tools = make("div", { class: "tools" }, field("by", by), field("command", command), field("result", result), field("range", range), button(t("refresh"), () => read(null)), csv, json);
  root.append(section("audit-title", t("view.audit"), tools, hint, make("div", { class: "scroll card", role: "region", "aria-label": t("audit.table"), tabindex: "0" }, table), more));

  let entries = [], after = null, closed = false, asked = 0, known = new Set(), typing = 0;
  options(result, [["", t("filter.all")], ["done", t("audit.done")], ["failed", t("audit.failed")]], url.get("aresult"));
  options(range, Object.keys(RANGES).map((name) => [name, t(`audit.range.${name}`)]), url.get("arange", "week"));
  commands();
  for (const [name, input] of Object.entries({ acommand: command, aresult: result, arange: range })) input.addEventListener("change", () => set(name, input.value));
  by.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => set("aby", by.value.trim()), 300);
  });
  read(null);

  return {
    update() {},
    close() {
      closed = true;
      clearTimeout(typing);
      url.set(Object.fromEntries(Object.keys(FILTERS).map((name) => [name, ""])));
    },
  };

  function set(name, value) {
    url.set({ [name]: value });
    read(null);
  }

  function commands() {
    const names = [...known].sort().map((name) => [name, word("operation", name)]);
    options(command, [["", t("filter.all")], ...names], url.get("acommand"));
  }

  // The query of what is shown; `start` where the range has one.
  function query() {
    const days = RANGES[range.value];
    const start = days ? new Date(now() - days * 86400000).toISOString() : "";
    const wanted = { by: by.value.trim(), command: command.value, result: result.value, start };
    return Object.fromEntries(Object.entries(wanted).filter(([, value]) => value));
  }

  async function read(following) {
    const mine = ++asked, wanted = query();
    const { content, words: wrong } = await get("audit", { ...wanted, limit: PAGE, after: following });
    if (closed || mine !== asked) return;
    if (content) {
      entries = following ? [...entries, ...content.entries] : content.entries;
      after = content.after;
      for (const each of content.entries) known.add(each.command);
      commands();
    }
    keep(body, entries, ({ id, result: said }) => `${id} ${said}`, row);
    more.hidden = after === null;
    say(hint, wrong || (entries.length ? t(after ? "audit.first" : "audit.count", { n: entries.length }) : t("audit.none")));
  }

  // All pages in one file; nothing where one of them cannot be read.
  async function exportJson() {
    const wanted = query(), found = [];
    let following = null;
    do {
      const { content, words } = await get("audit", { ...wanted, limit: 1000, after: following });
      if (closed) return;
      if (!content) {
        say(hint, words);
        return;
      }
      found.push(...content.entries);
      following = content.after;
    } while (following);
    download("audit.json", JSON.stringify(found, null, 2), "application/json");
  }
}

// Have the browser save what is at an address.
function follow(href) {
  const link = make("a", { href, download: "audit.csv" });
  document.body.append(link);
  link.click();
  link.remove();
}

function row(each) {
  const cells = {
    time: full(each.time),
    by: each.by ? [each.by, each.role ? `(${word("role", each.role)})` : ""].filter(Boolean).join(" ") : t("audit.nobody"),
    command: word("operation", each.command),
    target: target(each),
    arguments: each.arguments ? Object.entries(each.arguments).map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", ") : DASH,
    result: outcome(each),
    address: each.address,
  };
  const line = COLUMNS.map((name) => make("td", { "data-label": t(`audit.${name}`), class: WIDE.has(name) ? "wide" : null }, cells[name]));
  return make("tr", {}, ...line);
}

function target(each) {
  if (each.group) return model.groupName(each.account, each.group);
  if (!each.cpid) return each.account ?? DASH;
  return place({ ...each, name: model.nameOf(each.account, each.cpid) });
}

function outcome(each) {
  if (each.result === null) return t("audit.unknown");
  if (each.result === "done") return each.message && each.message !== "Accepted" ? `${t("audit.done")}: ${each.message}` : t("audit.done");
  return `${model.named(each.message ?? "")} [${each.result}]`.trim();
}
