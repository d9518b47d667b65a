-- What happened in all pools, in the order in which it became known here: src/d1/events.ts. The id is what readers go on from; (object, seq) is the
-- entry of a pool's log that it tells of, so that none is there twice. Null seq: no pool's.
CREATE TABLE events (
	id INTEGER PRIMARY KEY,
	object TEXT NOT NULL,
	seq INTEGER,
	at INTEGER NOT NULL,
	pool TEXT NOT NULL,
	severity TEXT NOT NULL,
	kind TEXT NOT NULL,
	proxy TEXT NOT NULL,
	text TEXT NOT NULL,
	actor TEXT,
	UNIQUE (object, seq)
);

-- What is wrong and was told of: the state of alerting, in one row.
CREATE TABLE alerts (one INTEGER PRIMARY KEY CHECK (one = 1), json TEXT NOT NULL);

-- Alerts that are to be told to a webhook, and were: src/d1/deliveries.ts.
CREATE TABLE deliveries (
	-- Of the alert: what whoever gets it knows it again by.
	id TEXT PRIMARY KEY,
	created_at INTEGER NOT NULL,
	alert TEXT NOT NULL,
	tries INTEGER NOT NULL DEFAULT 0,
	-- When it is sent next; null: never again.
	next_at INTEGER,
	delivered_at INTEGER,
	-- What became of the last try.
	status INTEGER,
	error TEXT
) WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE next_at IS NOT NULL;
