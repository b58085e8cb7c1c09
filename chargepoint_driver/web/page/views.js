// The views of the page. A new one is a module, a row here and a text `view.<name>`: see build in
// view_alarms.js for what it must have.

import { may } from "./roles.js";
import * as overview from "./view_overview.js";

const ALL = {
  overview: () => overview,
  alarms: () => import("./view_alarms.js"),
  sessions: () => import("./view_sessions.js"),
  schedules: () => import("./view_schedules.js"),
  report: () => import("./view_report.js"),
  audit: () => import("./view_audit.js"),
};

// The request that a view cannot do without: a role that may not send it has no such view.
const NEEDS = { audit: "audit", report: "report" };

export const VIEWS = Object.fromEntries(Object.entries(ALL).filter(([name]) => !(name in NEEDS) || may("GET", NEEDS[name])));
