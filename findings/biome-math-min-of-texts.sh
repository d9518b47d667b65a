#!/bin/sh
# @biomejs/biome 2.6.8, seen on 2026-11-29.
# Guess: lint/complexity/useMathMinMax, a recommended rule, leaves strings alone everywhere: it says nothing of `a < b ? a : b` for two
#        parameters declared as string.
# Fact:  it does say so of two properties declared as string, and its (unsafe) fix makes the earlier of two ISO times NaN.
# Seen:  earlier.mts:2:68 lint/complexity/useMathMinMax  FIXABLE … This ternary is selecting the smaller of the same two operands, …
#        before: 2026-01-01T00:00:00Z
#        after:  NaN
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @biomejs/biome@2.6.8 node@24.21.0 >/dev/null 2>&1
export PATH="$folder/node_modules/.bin:$PATH" NO_COLOR=1
cat >earlier.mts <<'TS'
export const earlierText = (a: string, b: string): string => (a < b ? a : b);
const earlier = (a: { at: string }, b: { at: string }): string => (a.at < b.at ? a.at : b.at);
console.log(earlier({ at: "2026-01-01T00:00:00Z" }, { at: "2026-02-01T00:00:00Z" }));
TS
biome lint earlier.mts >lint.txt 2>&1 || true
grep -E 'useMathMinMax|selecting' lint.txt
# Once, and of the second line.
test "$(grep -c 'lint/complexity/useMathMinMax' lint.txt)" = 1
grep -q '^earlier.mts:2:' lint.txt
before=$(node earlier.mts)
biome lint --write --unsafe earlier.mts >/dev/null 2>&1
after=$(node earlier.mts)
echo "before: $before"
echo "after:  $after"
test "$before" = 2026-01-01T00:00:00Z
test "$after" = NaN
echo "as stated"
