-- Times are seconds since 1970, registers Wh. wire_id: what the charge point calls a
-- transaction; alias: what it calls it while the transaction runs; request: what makes a repeated StartTransaction the same one.
CREATE TABLE IF NOT EXISTS charge_points (
    id TEXT PRIMARY KEY, last_seen REAL, version TEXT, boot TEXT, configuration TEXT, worked TEXT);
CREATE TABLE IF NOT EXISTS connectors (
    charge_point TEXT, connector INTEGER, data TEXT, PRIMARY KEY (charge_point, connector));
CREATE TABLE IF NOT EXISTS transactions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, charge_point TEXT NOT NULL, connector INTEGER NOT NULL,
    wire_id TEXT, id_tag TEXT NOT NULL, start_time REAL, meter_start REAL, stop_time REAL,
    meter_stop REAL, last_time REAL, last_wh REAL, reason TEXT, state TEXT NOT NULL,
    origin TEXT NOT NULL, received REAL NOT NULL, seq INTEGER, gaps INTEGER NOT NULL DEFAULT 0,
    offline INTEGER NOT NULL DEFAULT 0, request TEXT, alias TEXT);
CREATE UNIQUE INDEX IF NOT EXISTS transactions_wire ON transactions (charge_point, wire_id)
    WHERE wire_id IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS transactions_request ON transactions (charge_point, request)
    WHERE request IS NOT NULL;
CREATE INDEX IF NOT EXISTS transactions_connector ON transactions (charge_point, connector);
CREATE INDEX IF NOT EXISTS transactions_stop ON transactions (stop_time);
CREATE INDEX IF NOT EXISTS transactions_state ON transactions (state) WHERE state = 'active';
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, received REAL NOT NULL, time REAL NOT NULL,
    charge_point TEXT NOT NULL, connector INTEGER, action TEXT NOT NULL, data TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS limits (
    charge_point TEXT, connector INTEGER, data TEXT NOT NULL, PRIMARY KEY (charge_point, connector));
-- The last id of an event that was ever given, in case that all of them were deleted.
CREATE TABLE IF NOT EXISTS last_event (only INTEGER PRIMARY KEY CHECK (only = 1), id INTEGER);
