#!/bin/sh
# wrangler 4.155.0, seen on 2026-11-29.
# Guess: 'wrangler deploy --env staging', where the configuration has no environment of that name, fails, or binds nothing (bindings are
#        not inherited by environments: each has to name its own).
# Fact:  it warns, exits 0, and deploys a Worker 'app-staging' with the bindings of the top level: production's database. Only where the
#        configuration has some other environment is it an error.
# Seen:  ▲ [WARNING] … No environment found in configuration with name "staging".
#        env.DB (production)      D1 Database
#        --dry-run: exiting now.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund wrangler@4.155.0 node@24.21.0 >/dev/null 2>&1
cat >wrangler.json <<'JSON'
{
  "name": "app",
  "main": "index.js",
  "compatibility_date": "2026-10-01",
  "d1_databases": [{ "binding": "DB", "database_name": "production", "database_id": "00000000-0000-4000-8000-000000000001" }]
}
JSON
echo 'export default { fetch: () => new Response("ok") };' >index.js
export PATH="$folder/node_modules/.bin:$PATH" WRANGLER_SEND_METRICS=false NO_COLOR=1
output=$(wrangler deploy --env staging --dry-run 2>&1)
echo "$output" | grep -E 'No environment found|env\.DB|exiting'
echo "$output" | grep -q 'No environment found in configuration with name "staging"'
echo "$output" | grep -qE 'env\.DB \((production|00000000-0000-4000-8000-000000000001)\)'
# The same with an environment of another name: refused.
sed -i 's/"main"/"env": { "other": {} }, "main"/' wrangler.json
if wrangler deploy --env staging --dry-run >/dev/null 2>&1; then
	echo "changed: it is taken where another environment exists" >&2
	exit 1
fi
echo "as stated"
