// Texts of the page in the language that the server chose: texts/<language>.json.

import { part } from "./dom.js";

export const site = JSON.parse(part("site").textContent);
export const language = site.language;

const texts = await (await fetch(`/page/texts/${language}.json`)).json();
const plurals = new Intl.PluralRules(language);

// The text of a key; {name} becomes the argument of that name. A text with plural forms is chosen by
// the argument `n`. A key without a text shows itself.
export function t(key, values = {}) {
  let text = texts[key];
  if (typeof text === "object") text = text[plurals.select(values.n)] ?? text.other;
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

// The text of a word that a charger or the service reports, else the word itself.
export function word(family, value) {
  const key = `${family}.${value}`;
  return key in texts ? t(key) : String(value);
}

// Show the page in another language.
export function setLanguage(code) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `chargepoint_language=${code}; Path=/; Max-Age=31536000; SameSite=Strict${secure}`;
  location.reload();
}
