// The columns of the table. A new one is a row here and a text `column.<name>`.

import { DASH, ago, kw, lasting, percent, since, text } from "./format.js";
import { model } from "./model.js";
import { t } from "./texts.js";
import { limitWords, loadWords, orDash, sessionWords, shedWords } from "./values.js";

// `value` is what is sorted and exported (null: not known), `words` what is shown, `width` in rem.
// `wide`: on a wide screen. `old` and `look` say how a cell looks.
export const COLUMNS = {
  place: { width: 21, wide: 26, tail: true, value: (row) => row.place, words: (row) => row.place },
  cpid: { width: 8, value: (row) => row.cpid, words: (row) => row.cpid },
  site: { width: 7, value: (row) => row.account, words: (row) => row.account },
  group: { width: 10, value: (row) => groupWords(row) || null, words: (row) => groupWords(row) || DASH },
  status: { width: 8.5, value: (row) => row.status.words, words: (row) => row.status.words, look: (row) => row.status.look, old: (row) => row.status.old },
  load: { width: 10, value: (row) => (row.isAway ? null : row.load.value), words: loadWords, old: (row) => row.load.old, number: true, unit: "kW" },
  limit: { width: 5.5, value: (row) => row.limit, words: limitWords, old: (row) => row.state.old, number: true, unit: "kW" },
  rating: { width: 6, value: (row) => row.rating, words: (row) => (row.rating === null ? DASH : kw(row.rating)), number: true, unit: "kW" },
  headroom: { width: 7, value: (row) => row.port.values.siteHeadroom ?? null, words: (row) => (row.port.values.siteHeadroom == null ? DASH : kw(row.port.values.siteHeadroom)), number: true, unit: "kW" },
  shed: { width: 11, wide: 14, value: (row) => row.shed.value, words: (row) => shedWords(row.port, row.shed), old: (row) => row.shed.old, shed: true },
  battery: { width: 6, value: (row) => row.battery.value, words: (row) => orDash(row.battery, percent), old: (row) => row.battery.old, number: true, unit: "%" },
  session: { width: 12, wide: 13, value: (row) => (row.session ? row.session.energy : null), words: (row) => sessionWords(row, model), old: (row) => model.sessionsOld(row.account), number: true, unit: "Wh" },
  began: { width: 8, value: (row) => (row.session?.startTime ? Date.parse(row.session.startTime) : null), words: (row) => (row.session?.startTime ? lasting(since(row.session.startTime)) : DASH), time: true },
  contact: { width: 7.5, value: (row) => (row.contact.value ? Date.parse(row.contact.value) : null), words: (row) => orDash(row.contact, ago), time: true },
  model: { width: 10, value: (row) => row.station.station.stationModel ?? null, words: (row) => text(row.station.station.stationModel) },
  address: { width: 14, value: (row) => row.station.station.Address ?? null, words: (row) => text(row.station.station.Address) },
  trouble: { width: 10.5, value: (row) => row.troubles.map(({ name }) => name).join("; ") || null, words: (row) => row.troubles.map(({ name }) => name).join("; "), trouble: true },
};
const isNarrow = matchMedia("(max-width: 34rem)"), isWide = matchMedia("(min-width: 105rem)");
export const SHOWN = ["place", "status", "load", "limit", "shed", "session", "contact", "trouble"];
export const PINNED = ["place"];

function groupWords(row) {
  return row.groups.map((group) => model.groupName(row.account, group)).join(", ");
}

// The columns that the address names: [{name, title, pinned, ...}], those that are pinned first.
export function columnsOf(url) {
  const list = (name, otherwise) => (url.get(name) ? url.get(name).split(".").filter((each) => each in COLUMNS) : otherwise);
  const shown = list("columns", SHOWN);
  const pinned = url.get("pinned") === "-" ? [] : list("pinned", PINNED);
  const names = Object.keys(COLUMNS).filter((name) => shown.includes(name));
  return [...names.filter((name) => pinned.includes(name)), ...names.filter((name) => !pinned.includes(name))].map((name) => ({
    name, title: t(`column.${name}`), pinned: pinned.includes(name), ...COLUMNS[name], ...(isNarrow.matches && name === "place" ? { width: 11 } : {}), ...(isWide.matches && COLUMNS[name].wide ? { width: COLUMNS[name].wide } : {}),
  }));
}
