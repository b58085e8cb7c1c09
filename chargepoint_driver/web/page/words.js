// Parts that several views have: sections, and sentences of what is not known.

import { make } from "./dom.js";
import { model } from "./model.js";
import { t } from "./texts.js";

export function heading(id, words) {
  return make("h2", { id }, words);
}

export function section(id, words, ...children) {
  return make("section", { "aria-labelledby": id }, heading(id, words), ...children);
}

export function missing(number) {
  return number ? t("ports_unknown", { n: number }) : "";
}

// What is said where the stations of an account were never listed.
export function unlisted() {
  const number = model.state?.site.accountsUnknown;
  return number ? t("accounts_unknown", { n: number }) : "";
}

// "Unknown" where there is nothing, and somebody could not be asked.
export function noneOr(number, words) {
  return number || model.state.site.accountsUnknown ? t("unknown_now") : words;
}
