// Questions to the JSON API.

import { model } from "./model.js";
import { t } from "./texts.js";

// `content` is null after a failure; `words` is its message.
export async function get(path, values = {}) {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined));
  let answer;
  try {
    answer = await fetch(`/api/v1/${path}?${query}`, { cache: "no-store" });
  } catch {
    return { content: null, words: t("read.unreachable") };
  }
  if (answer.status === 401) location.assign("/login");
  try {
    const content = await answer.json();
    return answer.ok ? { content, words: "" } : { content: null, words: `${model.named(content.error.message)} [${content.error.code}]` };
  } catch {
    return { content: null, words: t("ask.status", { status: answer.status }) };
  }
}
