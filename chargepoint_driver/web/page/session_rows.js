// A session as a row: what is not known is said, with its reason.

import { make } from "./dom.js";
import { DASH, clock, full, kwh, lasting, money, number, place, since } from "./format.js";
import { model } from "./model.js";
import { site, t } from "./texts.js";

export function columns() {
  return ["port", "began", "ended", "lasted", "energy_of", ...(site.idTags ? ["tag"] : []), "cost"];
}

export function sessionRow(session) {
  const lasts = session.durationSecs ?? (session.startTime && !session.hasEnded ? since(session.startTime) : null);
  const cells = {
    port: [place({ ...session, name: model.nameOf(session.account, session.cpid) })],
    began: [session.startTime ? full(session.startTime) : t("unknown")],
    ended: [session.endTime ? clock(session.endTime) : t(session.hasEnded ? "unknown" : "session.running")],
    lasted: [lasting(lasts)],
    energy_of: [energyWords(session)],
    tag: [session.idTag ?? DASH],
    cost: costCell(session),
  };
  return make("tr", {}, ...columns().map((name) => make("td", { "data-label": t(`session.${name}`), "data-cell": name }, make("span", {}, ...cells[name]))));
}

export function energyWords(session) {
  if (session.energy === null) return t("unknown");
  const energy = kwh(session.energy);
  return session.energyIsMinimum && session.hasEnded ? t("at_least", { value: energy }) : energy;
}

export function reasonWords(reason) {
  return t(`cost.reason.${reason}`);
}

function costCell(session) {
  if (session.cost === null) {
    if (!session.hasEnded) return [DASH];
    return [t("unknown"), make("small", { title: session.costWords }, reasonWords(session.costReason))];
  }
  const details = [session.tariff, session.costParts.map(partWords).join(" + "), session.costIsEstimated ? t("cost.estimated") : ""];
  return [money(session.cost, session.currency), make("small", {}, details.filter(Boolean).join(": "))];
}

function partWords(part) {
  const value = { session: "", energy: `${number(part.quantity, 2)} kWh`, time: t("cost.hours", { n: number(part.quantity, 2) }) }[part.kind];
  const words = value ? `${value} \u00d7 ${part.price}` : t("cost.session", { price: part.price });
  return part.period ? `${words} (${part.period})` : words;
}
