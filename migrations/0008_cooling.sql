-- Which proxies cool down for which sites that have banned them, and until when (seconds since the epoch): {host: {proxy: until}}.
-- Beside the ready list, so that a selection by site reads no more rows than any other.
ALTER TABLE pools ADD COLUMN cooling TEXT NOT NULL DEFAULT '{}';
