// Questions to the JSON API.

import { model } from "./model.js";
import { t } from "./texts.js";

// `content` is null when it went wrong; `words` has the reason.
export async function get(path, values = {}) {
  return ask(path, values, (answer) => answer.json());
}

// The same for an answer that is a text.
export async function getText(path, values = {}) {
  return ask(path, values, (answer) => answer.text());
}

async function ask(path, values, take) {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined));
  let answer;
  try {
    answer = await fetch(`/api/v1/${path}?${query}`, { cache: "no-store" });
  } catch {
    return { content: null, words: t("read.unreachable") };
  }
  if (answer.status === 401) location.assign("/login");
  try {
    if (answer.ok) return { content: await take(answer), words: "" };
    const { error } = await answer.json();
    return { content: null, words: `${model.named(error.message)} [${error.code}]` };
  } catch {
    return { content: null, words: t(answer.ok ? "read.broken" : "ask.status", { status: answer.status }) };
  }
}
