// Sums of sessions: of what is known, with the number of what is not next to it.

import { make, say } from "./dom.js";
import { DASH, kwh, money, number } from "./format.js";
import { model } from "./model.js";
import { reasonWords } from "./session_rows.js";
import { t } from "./texts.js";

export function sumsList(id) {
  const list = make("dl", { id, class: "figures" });
  const names = ["sessions", "energy", "lasted", "cost"];
  const figures = names.map((name) => {
    const value = make("dd", { "data-sum": name }, DASH);
    list.append(make("div", {}, make("dt", {}, t(`sum.${name}`)), value));
    return value;
  });
  return {
    element: list,
    // `sums` null: they could not be read, `words` say why.
    draw(sums, words = "") {
      const shown = sums ? [countWords(sums), energyOf(sums), timeOf(sums), costOf(sums)] : names.map(() => [t("unknown"), words]);
      figures.forEach((figure, index) => {
        const [value, notes] = shown[index];
        figure.replaceChildren(value, ...(notes ? [make("small", {}, notes)] : []));
      });
    },
  };
}

function notes(...parts) {
  return parts.filter(Boolean).join(", ");
}

// Sums without the accounts that could not be asked are too low.
function missing(sums) {
  const accounts = Object.keys(sums.errors);
  return accounts.length ? t("sum.without", { accounts: accounts.join(", ") }) : "";
}

function ended(sums) {
  return sums.sessions - sums.running;
}

function countWords(sums) {
  return [String(sums.sessions), notes(sums.running ? t("sum.running", { n: sums.running }) : "", missing(sums))];
}

export function energyOf(sums) {
  if (!ended(sums)) return [missing(sums) ? t("unknown") : kwh(0), missing(sums)];
  if (sums.energyUnknown === ended(sums)) return [t("unknown"), ""];
  const isMinimum = sums.energyUnknown || sums.energyMinimum || missing(sums);
  const energy = kwh(sums.energy);
  return [isMinimum ? t("at_least", { value: energy }) : energy, notes(sums.energyUnknown ? t("sum.unknown", { n: sums.energyUnknown }) : "", sums.energyMinimum ? t("sum.minimum", { n: sums.energyMinimum }) : "", missing(sums))];
}

export function timeOf(sums) {
  if (ended(sums) && sums.durationUnknown === ended(sums)) return [t("unknown"), ""];
  const time = t("cost.hours", { n: number(sums.durationSecs / 3600, 1) });
  return [sums.durationUnknown || missing(sums) ? t("at_least", { value: time }) : time, notes(sums.durationUnknown ? t("sum.unknown", { n: sums.durationUnknown }) : "", missing(sums))];
}

export function costOf(sums) {
  const costs = Object.entries(sums.costs).map(([currency, amount]) => money(amount, currency)).join(", ");
  const reasons = Object.entries(sums.costReasons).map(([reason, n]) => `${reasonWords(reason)}: ${n}`).join(", ");
  const words = notes(sums.costUnknown ? t("sum.cost_unknown", { n: sums.costUnknown, reasons }) : "", sums.costEstimated ? t("sum.estimated", { n: sums.costEstimated }) : "", missing(sums));
  if (!costs) return [ended(sums) || missing(sums) ? t("unknown") : DASH, words];
  return [sums.costUnknown || missing(sums) ? t("at_least", { value: costs }) : costs, words];
}
