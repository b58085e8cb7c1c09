// What the role of the user may do. The server refuses the rest in any case.

import { site, t, word } from "./texts.js";

const ROLES = ["viewer", "operator", "administrator"];

// The path of the API that carries out a command, where it has another name.
const PATHS = { operative: "availability", inoperative: "availability", "reset-soft": "reset", "reset-hard": "reset" };

export const user = { name: site.user, role: site.role };

export function pathOf(command) {
  return PATHS[command] ?? command;
}

// Whether the user may send a request, like may("GET", "audit").
export function may(method, path) {
  const least = site.roles[`${method} ${path}`];
  return least !== undefined && ROLES.indexOf(site.role) >= ROLES.indexOf(least);
}

export function mayCommand(name) {
  return may("POST", pathOf(name));
}

// Why a request is not offered; "" when it is.
export function whyNot(method, path) {
  if (may(method, path)) return "";
  return t("role.needs", { role: word("role", site.roles[`${method} ${path}`]), own: word("role", site.role) });
}
