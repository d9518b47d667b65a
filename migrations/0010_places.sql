-- Where a proxy's VM is, "region:size"; null: where its pool's account says, as of those that earlier versions made.
ALTER TABLE proxies ADD COLUMN place TEXT;
