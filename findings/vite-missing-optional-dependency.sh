#!/bin/sh
# vite 8.4.0, npm 11.19.1, seen on 2026-11-30.
# Guess: a lock file that `npm install` has just written is one that `npm ci` takes.
# Fact:  vite 8.4.0 names an optional dependency that the registry does not have (napi-windows-process-start-time). npm install says nothing and
#        writes a lock file without it; npm ci refuses that file: "Missing: napi-windows-process-start-time@ from lock file".
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --save-dev --save-exact vite@8.4.0 >/dev/null 2>&1
if output=$(npm ci --dry-run 2>&1); then
	echo "changed: npm ci takes what npm install has written" >&2
	exit 1
fi
echo "$output" | grep 'Missing: napi-windows-process-start-time'
echo "as stated"
