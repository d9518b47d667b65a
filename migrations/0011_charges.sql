-- What is still billed for VMs of pools that are forgotten: units of time (mostly hours) that these had begun. A row for each instant at which some end.
CREATE TABLE charges (
	object TEXT NOT NULL,
	-- Milliseconds since the epoch.
	until INTEGER NOT NULL,
	currency TEXT NOT NULL,
	hourly REAL NOT NULL,
	-- VMs.
	count INTEGER NOT NULL,
	PRIMARY KEY (object, until, currency)
) WITHOUT ROWID;
