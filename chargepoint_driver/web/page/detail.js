// The panel of one port: commands at the top, and a tab for each kind of thing that is known.

import { ask } from "./ask.js";
import { button, keep, make, part, say } from "./dom.js";
import { place } from "./format.js";
import { model } from "./model.js";
import { may, mayCommand, whyNot } from "./roles.js";
import { t } from "./texts.js";
import { url } from "./url.js";
import { commandsOf } from "./values.js";

const TABS = {
  load: () => import("./detail_load.js"),
  sessions: () => import("./detail_sessions.js"),
  alarms: () => import("./detail_alarms.js"),
  charger: () => import("./detail_charger.js"),
  messages: () => import("./detail_messages.js"),
};

export class Panel {
  constructor() {
    this.element = part("panel");
    this.key = "";
    this.tab = "";
    this.content = null;
    this.opener = null;
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      this.leave();
    });
  }

  get row() {
    const key = url.get("port");
    return key ? model.rows.find((row) => row.key.replaceAll(" ", "~") === key) ?? null : null;
  }

  leave() {
    url.set({ port: "", tab: "", prange: "", pfrom: "", pto: "" }, { push: true });
  }

  // Show what the address names.
  update() {
    const { row } = this;
    if (!row) {
      if (this.key) this.close();
      return;
    }
    if (this.key !== row.key) this.open(row);
    const tabs = this.tabsOf(row);
    const tab = tabs.includes(url.get("tab")) ? url.get("tab") : "load";
    if (this.tab !== tab) this.show(tab, row);
    say(this.chip, row.status.words);
    this.chip.className = `chip ${row.status.look}`;
    say(this.trouble, row.troubles.map(({ words }) => words).join(" "));
    this.drawCommands(row);
    this.content?.update?.(row);
  }

  tabsOf(row) {
    return Object.keys(TABS).filter((name) => name !== "messages" || (may("GET", "messages") && model.isDirect(row.account)));
  }

  open(row) {
    if (!this.key) this.opener = document.activeElement;
    this.closeTab();
    this.key = row.key;
    this.chip = make("span", { class: "chip" });
    this.trouble = make("p", { class: "trouble" });
    this.refused = make("p", { class: "hint", id: "panel-refused" }, whyNot("POST", "shed"));
    this.refused.hidden = mayCommand("shed");
    this.commands = make("div", { class: "buttons", role: "group", "aria-label": t("panel.commands") });
    const title = make("h2", { id: "panel-title", tabindex: "-1" }, place(row));
    const close = button("\u00d7", () => this.leave(), { class: "close", "aria-label": t("panel.close"), title: t("panel.close") });
    this.tabs = make("div", { role: "tablist", "aria-label": t("panel.tabs"), class: "tabs" }, ...this.tabsOf(row).map((name) => button(t(`tab.${name}`), () => url.set({ tab: name === "load" ? "" : name }), { role: "tab", id: `tab-${name}`, "data-tab": name, "data-words": t(`tab.${name}`), "aria-controls": "tab-content" })));
    this.tabs.addEventListener("keydown", (event) => this.tabKey(event));
    this.body = make("div", { id: "tab-content", role: "tabpanel", tabindex: "0" });
    const where = make("p", { class: "hint" }, [row.cpid, row.account, ...row.groups.map((group) => model.groupName(row.account, group))].join(" \u00b7 "));
    this.element.replaceChildren(make("div", { class: "head" }, title, this.chip, close), where, this.trouble, this.refused, this.commands, this.tabs, this.body);
    this.element.hidden = false;
    document.body.classList.add("with-panel");
    title.focus();
  }

  drawCommands(row) {
    const names = commandsOf(row.port, model);
    if (row.troubles.some(({ kind }) => kind.startsWith("alarm:"))) names.push("clear-alarms");
    if (model.isDirect(row.account)) names.push(row.status.code === "Unavailable" ? "operative" : "inoperative", "release", "reset-soft", "reset-hard");
    keep(this.commands, names.filter(mayCommand), (name) => name, (name) => button(t(`command.${name}.button`), () => ask(name, this.row?.port ?? row.port), { "data-do": name, "aria-label": t(`command.${name}.of`, { place: row.place }) }));
  }

  async show(tab, row) {
    this.closeTab();
    this.tab = tab;
    for (const each of this.tabs.children) {
      const is = each.dataset.tab === tab;
      each.setAttribute("aria-selected", String(is));
      each.tabIndex = is ? 0 : -1;
    }
    this.body.setAttribute("aria-labelledby", `tab-${tab}`);
    const module = await TABS[tab]();
    if (this.tab !== tab || this.key !== row.key) return;
    this.body.replaceChildren();
    this.content = module.build(this.body, row);
    this.update();
  }

  tabKey(event) {
    const all = [...this.tabs.children], at = all.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = all[(to + all.length) % all.length];
    next.focus();
    next.click();
  }

  closeTab() {
    this.content?.close?.();
    this.content = null;
    this.tab = "";
  }

  close() {
    this.closeTab();
    this.key = "";
    this.element.hidden = true;
    this.element.replaceChildren();
    document.body.classList.remove("with-panel");
    if (this.opener?.isConnected) this.opener.focus();
    else part("main").focus({ preventScroll: true });
  }
}
