#!/bin/sh
# openapi-typescript 7.13.0 beside typescript 7.0.2, seen on 2026-11-29.
# Guess: a tool that writes types needs some TypeScript, and where its wish for version 5 is set aside, version 7 will do.
# Fact:  typescript 7 has no `ts.factory`, by which the tool makes its nodes: it ends at its first import, whatever it is given. It needs a
#        TypeScript 5 of its own, in a package of its own, beside the one that checks.
# Seen:  7.0.2: TypeError: Cannot read properties of undefined (reading 'createKeywordTypeNode')
#        5.9.3: export type paths
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
told() {
	mkdir "$1" && cd "$1"
	npm init -y >/dev/null
	npm install --silent --ignore-scripts --no-audit --no-fund --legacy-peer-deps "typescript@$1" openapi-typescript@7.13.0 >/dev/null 2>&1
	echo '{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{}}' >api.json
	echo "$1: $(npx openapi-typescript api.json 2>&1 | grep -oE 'TypeError: .*|export (interface|type) paths' | head -1)"
	cd ..
}
output=$(told 7.0.2; told 5.9.3)
echo "$output"
echo "$output" | grep -q "^7.0.2: TypeError: Cannot read properties of undefined (reading 'createKeywordTypeNode')"
echo "$output" | grep -Eq '^5.9.3: export (interface|type) paths'
echo "as stated"
