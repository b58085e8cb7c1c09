// The sessions of the last day.

import { keep, make, say } from "./dom.js";
import { DASH, ago, clock, lasting, number, place, since } from "./format.js";
import { model } from "./model.js";
import { t } from "./texts.js";
import { section } from "./words.js";

const COLUMNS = ["port", "began", "ended", "lasted", "energy"];
const MAX_ROWS = 100;

export function build(root) {
  const hint = make("p", { id: "sessions-say", class: "hint" });
  const body = make("tbody", { id: "sessions" });
  const head = make("tr", {}, ...COLUMNS.map((name) => make("th", { scope: "col" }, t(`session.${name}`))));
  const table = make("table", { class: "stack" }, make("thead", {}, head), body);
  root.append(section("sessions-title", t("sessions.title"), hint, make("div", { class: "scroll card", role: "region", "aria-label": t("sessions.table"), tabindex: "0" }, table)));
  return { update: () => draw(hint, body), close() {} };
}

function draw(hint, body) {
  const { sessions, errors, readAt } = model.state.sessions;
  const wrong = Object.entries(errors).map(([account, error]) => t("sessions.error", { account, message: error.message }));
  say(hint, [...wrong, readAt ? t("as_of", { time: ago(readAt) }) : t("sessions.unread"), readAt && !sessions.length && !wrong.length ? t("sessions.none") : ""].filter(Boolean).join("; "));
  const recent = [...sessions].reverse().slice(0, MAX_ROWS);
  keep(body, recent, (each) => `${each.account} ${each.cpid} ${each.transactionId} ${each.startTime}`, () => make("tr", {}, ...COLUMNS.map((name) => make("td", { "data-label": t(`session.${name}`) }))), (row, each) => {
    const lasts = each.durationSecs ?? (each.startTime && !each.endTime ? since(each.startTime) : null);
    const words = [
      place({ ...each, name: model.nameOf(each.account, each.cpid) }),
      clock(each.startTime),
      each.endTime ? clock(each.endTime) : t("session.running"),
      lasting(lasts),
      each.energy === null ? DASH : number(each.energy / 1000),
    ];
    words.forEach((shown, index) => say(row.children[index], shown));
  });
}
