-- Each pool's part of the budget that the deployment's pools share (MAX_HOURLY_COST): see src/d1/leases.ts.
CREATE TABLE leases (
	object TEXT PRIMARY KEY,
	-- Of the pool's newest request.
	version INTEGER NOT NULL,
	currency TEXT NOT NULL,
	hourly REAL NOT NULL,
	-- Null: the pool holds it. Otherwise the pool is forgotten, and what it began is billed until then (milliseconds since the epoch).
	until INTEGER
) WITHOUT ROWID;
