// Sessions of a range of days, with their sums and costs; further pages on demand.

import { button, download, make, say } from "./dom.js";
import { today } from "./format.js";
import { model } from "./model.js";
import { get, getText } from "./read.js";
import { filterBar, isRecent, query, shownRange } from "./session_filter.js";
import { columns, sessionRow } from "./session_rows.js";
import { sumsList } from "./session_sums.js";
import { t } from "./texts.js";
import { url } from "./url.js";
import { section } from "./words.js";

const PAGE = 100;
const AGAIN_MS = 10000;

export function build(root) {
  const hint = make("p", { id: "sessions-say", class: "hint", role: "status" });
  const range = make("p", { id: "sessions-range", class: "range" });
  const sums = sumsList("sessions-sums");
  const body = make("tbody", { id: "sessions" });
  const head = make("tr", {}, ...columns().map((name) => make("th", { scope: "col" }, t(`session.${name}`))));
  const table = make("table", { class: "stack" }, make("caption", { class: "unseen" }, t("sessions.table")), make("thead", {}, head), body);
  const more = button(t("sessions.more"), () => read(true), { id: "sessions-more", class: "more" });
  const bar = filterBar();
  const tools = make("div", { class: "tools" }, button(t("csv"), save, { id: "sessions-csv" }), button(t("print"), () => print()), button(t("refresh"), () => read()));
  const box = make("div", { class: "scroll card", role: "region", "aria-label": t("sessions.table"), tabindex: "0" }, table);
  root.append(section("sessions-title", t("sessions.title"), bar.element, tools, range, sums.element, hint, box, more));
  more.hidden = true;

  let after = null, count = 0, asked = 0, known = null, readAt = 0, failed = false, closed = false;
  let shown = "";
  const unfollow = url.follow(() => {
    bar.update();
    if (JSON.stringify(query()) !== shown) read();
  });
  say(hint, t("sessions.unread"));
  read();

  // Read the first page, or the next one.
  async function read(isMore = false) {
    const mine = (asked += 1);
    readAt = Date.now();
    const values = query();
    if (!isMore) {
      shown = JSON.stringify(values);
      bar.update();
      say(range, shownRange());
      get("sessions/sums", values).then(({ content, words }) => {
        if (!closed && mine === asked) sums.draw(content, words);
      });
    }
    more.disabled = true;
    const { content, words } = await get("sessions", { ...values, limit: PAGE, after: isMore ? after : "" });
    if (closed || mine !== asked) return;
    more.disabled = false;
    failed = !content;
    if (failed) {
      say(hint, t("sessions.failed", { message: words }));
      return;
    }
    const rows = content.sessions.map(sessionRow);
    const isFocused = document.activeElement === more;
    if (isMore) body.append(...rows);
    else body.replaceChildren(...rows);
    count = isMore ? count + rows.length : rows.length;
    after = content.after;
    more.hidden = after === null;
    if (isFocused && rows.length) box.focus();
    const wrong = Object.entries(content.errors).map(([account, error]) => t("sessions.error", { account, message: model.named(error.message) }));
    say(hint, [...wrong, count ? t(after === null ? "sessions.all" : "sessions.part", { n: count }) : wrong.length ? "" : t("sessions.none")].filter(Boolean).join("; "));
  }

  async function save() {
    say(hint, t("reading"));
    const { content, words } = await getText("sessions.csv", query());
    if (content !== null) download(`sessions-${today()}.csv`, content);
    say(hint, content === null ? t("sessions.failed", { message: words }) : t("sessions.saved"));
  }

  return {
    // What runs or has ended since: only the first page is read again, so that no row moves under the reader.
    update() {
      const { sessions, readAt: time } = model.state.sessions;
      const state = `${time === null} ${sessions.map((each) => `${each.transactionId}${each.endTime}`).join()}`;
      const isDue = Date.now() - readAt > AGAIN_MS || known === null;
      if (isDue && (failed || (known !== state && count <= PAGE && isRecent()))) {
        if (known !== null) read();
        known = state;
      }
      bar.update();
    },
    close() {
      closed = true;
      unfollow();
    },
  };
}
