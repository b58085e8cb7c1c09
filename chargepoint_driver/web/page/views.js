// The views of the page. A new one is a module, a row here and a text `view.<name>`: see build in
// view_alarms.js for what it must have.

import * as overview from "./view_overview.js";

export const VIEWS = {
  overview: () => overview,
  alarms: () => import("./view_alarms.js"),
  sessions: () => import("./view_sessions.js"),
  schedules: () => import("./view_schedules.js"),
  report: () => import("./view_report.js"),
};
