// The report of a month: sessions, energy, time and costs by cost centre, and by idTag.

import { button, download, make, options, say } from "./dom.js";
import { DASH, monthName, today } from "./format.js";
import { get, getText } from "./read.js";
import { costOf, energyOf, sumsList, timeOf } from "./session_sums.js";
import { t } from "./texts.js";
import { url } from "./url.js";
import { section } from "./words.js";

const MONTHS = 36;
const SUMS = ["sessions", "energy", "lasted", "cost"];

export function build(root) {
  const hint = make("p", { id: "report-say", class: "hint", role: "status" });
  const shown = make("p", { id: "report-month-shown", class: "range" });
  const month = make("select", { id: "report-month" });
  options(month, months().map((each) => [each, monthName(each)]), chosen());
  month.addEventListener("change", () => url.set({ month: month.value }, { push: true }));
  const sums = sumsList("report-sums");
  const centres = table("report-centres", t("report.centres"), ["centre"]);
  const tags = table("report-tags", t("report.tags_table"), ["centre", "tag"]);
  const tagsCsv = button(t("report.csv_tags"), () => save("idTag"), { id: "report-csv-tags" });
  const tools = make("div", { class: "tools" }, make("label", { for: "report-month" }, `${t("report.month")} `, month), button(t("csv"), () => save(""), { id: "report-csv" }), tagsCsv, button(t("print"), () => print()), button(t("refresh"), read));
  const tagsPart = section("report-tags-title", t("report.tags"), tags.element);
  root.append(section("report-title", t("report.title"), tools, shown, sums.element, hint, centres.element), tagsPart);

  let asked = 0, closed = false;
  const unfollow = url.follow(() => {
    if (chosen() !== read.month) read();
  });
  read();

  async function read() {
    const mine = (asked += 1);
    read.month = chosen();
    if (month.value !== chosen()) month.value = chosen();
    say(hint, t("reading"));
    say(shown, monthName(chosen()));
    const { content, words } = await get("report", { month: chosen() });
    if (closed || mine !== asked) return;
    sums.draw(content ? content.total : null, words);
    centres.draw(content ? content.costCentres : []);
    tags.draw(content?.idTags ?? []);
    tagsPart.hidden = tagsCsv.hidden = !content?.idTags;
    say(hint, content ? t("report.rule", { zone: content.timeZone }) : t("sessions.failed", { message: words }));
  }

  async function save(by) {
    const { content, words } = await getText("report.csv", { month: chosen(), by });
    if (content !== null) download(`report-${chosen()}${by ? "-id-tags" : ""}.csv`, content);
    else say(hint, t("sessions.failed", { message: words }));
  }

  return {
    update() {},
    close() {
      closed = true;
      unfollow();
    },
  };
}

// The months up to now, newest first, and one of the address that is older.
function months() {
  const [year, number] = today().split("-").map(Number);
  return Array.from({ length: MONTHS }, (_, back) => new Date(Date.UTC(year, number - 1 - back, 1)).toISOString().slice(0, 7));
}

// The month of the address, else the last one that is over.
function chosen() {
  const found = url.get("month");
  return /^\d{4}-(0[1-9]|1[0-2])$/.test(found) ? found : months()[1];
}

function table(id, words, names) {
  const body = make("tbody", { id });
  const head = [...names.map((name) => t(`report.${name}`)), ...SUMS.map((name) => t(`sum.${name}`))];
  const grid = make("table", { class: "stack" }, make("thead", {}, make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name)))), body);
  return {
    element: make("div", { class: "scroll card", role: "region", "aria-label": words, tabindex: "0" }, grid),
    draw(rows) {
      const cells = ({ costCentre, idTag, sums }) => [...[[costCentre ?? t("report.not_assigned"), ""], [idTag ?? DASH, ""]].slice(0, names.length), [String(sums.sessions), ""], energyOf(sums), timeOf(sums), costOf(sums)];
      body.replaceChildren(...rows.map((row) => make("tr", {}, ...cells(row).map(([value, notes], index) => make("td", { "data-label": head[index] }, make("span", {}, value, ...(notes ? [make("small", {}, notes)] : [])))))));
      if (!rows.length) body.append(make("tr", {}, make("td", { colspan: String(head.length) }, t("sessions.none"))));
    },
  };
}
