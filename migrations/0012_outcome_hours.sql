-- How requests fared by site and by proxy, hour by hour: {key: [outcomes, of them good]}. Sites and proxies as a pool remembers them, which bounds them.
CREATE TABLE outcome_hours (
	-- Unix seconds.
	start INTEGER NOT NULL,
	object TEXT NOT NULL,
	pool TEXT NOT NULL,
	-- By host name.
	hosts TEXT NOT NULL,
	-- By the proxy's id.
	proxies TEXT NOT NULL,
	PRIMARY KEY (start, object)
) WITHOUT ROWID;
