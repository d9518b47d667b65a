-- How the pools fared: src/d1/history.ts. A row holds a block of samples (minutes: an hour of them; quarters of an hour: a day; days: 128), as
-- JSON by their number in the block; a sample is cumulative, so that one that is lost takes nothing with it. In order of time, so that what is
-- too old is a stretch at the beginning.
CREATE TABLE history (
	step INTEGER NOT NULL,
	start INTEGER NOT NULL,
	object TEXT NOT NULL,
	pool TEXT NOT NULL,
	currency TEXT NOT NULL,
	samples TEXT NOT NULL,
	PRIMARY KEY (step, start, object)
) WITHOUT ROWID;

-- What each pool told last, all in one row: it costs one row to read, however many pools there are.
CREATE TABLE records (one INTEGER PRIMARY KEY CHECK (one = 1), json TEXT NOT NULL);

-- VMs that are gone, and what each cost.
CREATE TABLE vms (
	ended_at INTEGER NOT NULL,
	object TEXT NOT NULL,
	id TEXT NOT NULL,
	pool TEXT NOT NULL,
	vm TEXT NOT NULL,
	address TEXT,
	size TEXT,
	region TEXT,
	created_at INTEGER NOT NULL,
	ready_at INTEGER,
	reason TEXT NOT NULL,
	why TEXT NOT NULL,
	hourly REAL,
	currency TEXT,
	cost REAL,
	PRIMARY KEY (ended_at, object, id)
) WITHOUT ROWID;
