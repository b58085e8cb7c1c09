-- Times are seconds since 1970, registers Wh. wire_id: what the charge point calls a
-- transaction; alias: what it says instead while the transaction runs; request: what makes a repeated StartTransaction the same one.
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
INSERT INTO charge_points VALUES ('CP1', 1000, '1.6', '{"vendor": "Acme"}', '{"A": "1"}', '{}');
INSERT INTO connectors VALUES ('CP1', 1, '{"status": "Charging"}');
INSERT INTO limits VALUES ('CP1', 1, '{}');
INSERT INTO events VALUES (5, 1000, 1000, 'CP1', 1, 'StatusNotification', '{}');
INSERT INTO transactions (id, charge_point, connector, wire_id, id_tag, start_time, meter_start,
    stop_time, meter_stop, last_time, last_wh, reason, state, origin, received, request)
    VALUES (7, 'CP1', 1, '7', 'tag', 1700000000, 100, 1700003600, 600, 1700003000, 550, 'Local',
    'completed', 'start', 1700000000, '1|tag|2023-11-14T22:13:20Z|100');
INSERT INTO transactions (id, charge_point, connector, wire_id, id_tag, start_time, meter_start,
    last_time, last_wh, state, origin, received, request, alias)
    VALUES (8, 'CP1', 1, '8', 'tag', 1700007200, 600, 1700007300, 700, 'active', 'start',
    1700007200, '1|tag|2023-11-15T00:13:20Z|600', '1');
INSERT INTO transactions (id, charge_point, connector, wire_id, id_tag, stop_time, meter_stop,
    state, origin, received)
    VALUES (9, 'CP1', 0, '-1', '', 1700000000, 900, 'orphan', 'stop', 1700000000);
