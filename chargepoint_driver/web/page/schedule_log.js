// What a schedule did: the scheduler's own record, newest first.

import { button, csv, download, keep, make, options, say } from "./dom.js";
import { full, iso } from "./format.js";
import { get } from "./read.js";
import { resultOf, whatOf, whomOf } from "./schedule_words.js";
import { t } from "./texts.js";
import { url } from "./url.js";
import { section } from "./words.js";

const COLUMNS = ["time", "what", "whom", "result"];
const PAGE = 50;

// `groupOf` names the group that is chosen; the log shows it alone where that is asked for.
export function logSection(groupOf) {
  let entries = [], after = null, closed = false, asked = 0;
  const which = make("select", { id: "log-of" });
  which.addEventListener("change", () => url.set({ log: which.value }));
  const body = make("tbody", { id: "schedule-log" });
  const hint = make("p", { class: "hint", role: "status" });
  const older = button(t("schedule.log.older"), () => read(true), { class: "more" });
  const table = make("table", { class: "stack" }, make("thead", {}, make("tr", {}, ...COLUMNS.map((name) => make("th", { scope: "col" }, t(`schedule.log.${name}`))))), body);
  const tools = make("div", { class: "tools" },
    make("label", { for: "log-of" }, `${t("schedule.log.of")} `, which),
    button(t("csv"), exportCsv, { id: "schedule-log-csv" }), button(t("refresh"), () => read()));
  const element = section("log-title", t("schedule.log.title"), tools, hint, make("div", { class: "scroll card", role: "region", "aria-label": t("schedule.log.table"), tabindex: "0" }, table), older);
  let known = null;
  const unfollow = url.follow(() => {
    if (known !== `${url.get("log")} ${groupOf()}` && known !== null) read();
  });
  return {
    element,
    read: () => read(),
    close() {
      closed = true;
      unfollow();
    },
  };

  async function read(isMore = false) {
    const mine = ++asked;
    known = `${url.get("log")} ${groupOf()}`;
    options(which, [["", t("schedule.log.all")], ["group", t("schedule.log.group")]], url.get("log"));
    const group = url.get("log") === "group" ? groupOf() || document.getElementById("schedule-group").value : "";
    const { content, words } = await get("schedule/log", { group, limit: PAGE, after: isMore ? after : "" });
    if (closed || mine !== asked) return;
    entries = [...(isMore ? entries : []), ...(content?.entries ?? [])];
    after = content?.after ?? null;
    older.hidden = after === null;
    say(hint, content ? (entries.length ? "" : t("schedule.log.none")) : words);
    // An entry never changes: those that are there stay, with what is selected in them.
    keep(body, entries, ({ id }) => String(id), (each) => {
      const words = [full(each.time), whatOf(each), whomOf(each), resultOf(each)];
      return make("tr", { class: each.done === false || each.kind === "refused" ? "bad" : "" }, ...words.map((shown, index) => make("td", { "data-label": t(`schedule.log.${COLUMNS[index]}`) }, shown)));
    });
  }

  function exportCsv() {
    const rows = entries.map((each) => [iso(Date.parse(each.time)), whatOf(each), each.devices.join("; ") || whomOf(each), each.deviceCount || null, resultOf(each), each.by]);
    download("schedule-log.csv", csv([[...COLUMNS.slice(0, 3).map((name) => t(`schedule.log.${name}`)), t("schedule.log.count"), t("schedule.log.result"), t("schedule.log.by")], ...rows]));
  }
}
