-- What is read across pools. A pool's own storage is the truth of it; all of this but `settings`, `pools` up to
-- `removed_at`, and `names` can be published anew by the pools. Tables are WITHOUT ROWID where the key is text, since an
-- ordinary table would count each row written twice: once for the row, once for the index of its key.

-- The deployment's id, the address that agents call, the hash of an admin key: see src/d1/settings.ts.
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- The directory: which pools there are (their objects cannot be enumerated), and what each published of itself.
CREATE TABLE pools (
	object TEXT PRIMARY KEY,
	provider TEXT NOT NULL,
	name TEXT NOT NULL,
	incarnation INTEGER NOT NULL,
	source TEXT NOT NULL,
	-- When it was deleted; its names are free from then on. The row goes when its VMs are gone.
	removed_at INTEGER,
	-- The version that the columns below, ready_parts and proxies hold; 0: nothing was published yet.
	version INTEGER NOT NULL DEFAULT 0,
	published_at INTEGER,
	ready_count INTEGER NOT NULL DEFAULT 0,
	summary TEXT,
	credentials TEXT NOT NULL DEFAULT '{}',
	-- The ready list's part 0: most pools have no other, and so cost one row to read and one to write.
	ready TEXT NOT NULL DEFAULT '[]'
) WITHOUT ROWID;
CREATE UNIQUE INDEX pools_by_name ON pools (provider, name) WHERE removed_at IS NULL;

-- Endpoint names and aliases, each of one pool.
CREATE TABLE names (name TEXT PRIMARY KEY, object TEXT NOT NULL) WITHOUT ROWID;

-- Part 1 and further ones of the ready lists.
CREATE TABLE ready_parts (
	object TEXT NOT NULL,
	part INTEGER NOT NULL,
	count INTEGER NOT NULL,
	proxies TEXT NOT NULL,
	PRIMARY KEY (object, part)
) WITHOUT ROWID;

-- Every proxy from its intent until its VM is known to be gone. Found by address, and by the queue it waits in; both
-- indexes leave out the rows that nobody looks for, which then cost no write in them.
CREATE TABLE proxies (
	object TEXT NOT NULL,
	id TEXT NOT NULL,
	vm TEXT,
	address TEXT,
	phase TEXT NOT NULL,
	credentials INTEGER NOT NULL,
	since INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	why TEXT NOT NULL,
	queue TEXT GENERATED ALWAYS AS (CASE phase WHEN 'draining' THEN 'destroy' WHEN 'deleting' THEN 'destroy' WHEN 'restarting' THEN 'restart' END) VIRTUAL,
	PRIMARY KEY (object, id)
) WITHOUT ROWID;
CREATE INDEX proxies_by_address ON proxies (address) WHERE address IS NOT NULL;
CREATE INDEX proxies_by_queue ON proxies (queue) WHERE queue IS NOT NULL;

CREATE TABLE logs (
	object TEXT NOT NULL,
	seq INTEGER NOT NULL,
	at INTEGER NOT NULL,
	severity TEXT NOT NULL,
	text TEXT NOT NULL,
	PRIMARY KEY (object, seq)
) WITHOUT ROWID;
