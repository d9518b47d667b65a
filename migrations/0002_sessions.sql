-- The open sessions of each pool's proxies: JSON of at most 1,000 a row, {"proxy:port": ["client:port", …]}. They come and go by the
-- thousand, so that a row each, or an index to find one by, would cost more than everything else together.
CREATE TABLE sessions (
	object TEXT NOT NULL,
	part INTEGER NOT NULL,
	json TEXT NOT NULL,
	PRIMARY KEY (object, part)
) WITHOUT ROWID;
