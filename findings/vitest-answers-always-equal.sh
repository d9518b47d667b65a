#!/bin/sh
# vitest 5.1.2, Node 24.21.0, seen on 2026-11-30.
# Guess: `expect(answer).toEqual(new Response("b", { status: 500 }))` fails for an answer "a" of status 200, or for any object but that one; and
#        `toHaveBeenCalledWith(new Request(url))` of a spied fetch fails where it was called for another address.
# Fact:  both pass, whatever is in them, and so does toStrictEqual: what an object keeps in private fields is not seen, and two of one class without
#        other properties are equal. So it is with Request, Response, URLPattern, promises, WeakRefs and every class of one's own with `#fields` alone;
#        ArrayBuffers of other bytes are told apart by toStrictEqual only. URL, Headers, FormData, Blob and AbortSignal are compared.
# Seen (two that differ):
#        Response: toEqual passes, toStrictEqual passes, toHaveBeenCalledWith passes
#        Request: toEqual passes, toStrictEqual passes, toHaveBeenCalledWith passes
#        URLPattern: toEqual passes, toStrictEqual passes, toHaveBeenCalledWith passes
#        #fields: toEqual passes, toStrictEqual passes, toHaveBeenCalledWith passes
#        ArrayBuffer: toEqual passes, toStrictEqual fails, toHaveBeenCalledWith passes
#        Headers: toEqual fails, toStrictEqual fails, toHaveBeenCalledWith fails
#        URL: toEqual fails, toStrictEqual fails, toHaveBeenCalledWith fails
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund vitest@5.1.2 node@24.21.0 >/dev/null 2>&1
cat >seen.test.mjs <<'JS'
import { writeFileSync } from "node:fs";
import { expect, test, vi } from "vitest";
class Own {
	#value;
	constructor(value) {
		this.#value = value;
	}
	get value() {
		return this.#value;
	}
}
const pairs = {
	Response: [new Response("a"), new Response("b", { status: 500 })],
	Request: [new Request("https://a.test/"), new Request("https://b.test/", { method: "POST", body: "b" })],
	URLPattern: [new URLPattern({ pathname: "/a" }), new URLPattern({ pathname: "/b" })],
	"#fields": [new Own("a"), new Own("b")],
	ArrayBuffer: [new Uint8Array([1]).buffer, new Uint8Array([2]).buffer],
	Headers: [new Headers({ a: "a" }), new Headers({ a: "b" })],
	URL: [new URL("https://a.test/"), new URL("https://b.test/")],
};
test("what differs", () => {
	const lines = Object.entries(pairs).map(([name, [one, other]]) => {
		const call = vi.fn();
		call(one);
		const told = [["toEqual", one], ["toStrictEqual", one], ["toHaveBeenCalledWith", call]].map(([matcher, subject]) => {
			try {
				expect(subject)[matcher](other);
				return `${matcher} passes`;
			} catch {
				return `${matcher} fails`;
			}
		});
		return `${name}: ${told.join(", ")}\n`;
	});
	writeFileSync("seen", lines.join(""));
});
JS
PATH="$folder/node_modules/.bin:$PATH" node_modules/.bin/vitest run --root . >/dev/null 2>&1
cat seen
for name in Response Request URLPattern '#fields'; do
	grep -q "^$name: toEqual passes, toStrictEqual passes, toHaveBeenCalledWith passes\$" seen
done
grep -q '^ArrayBuffer: toEqual passes, toStrictEqual fails, toHaveBeenCalledWith passes$' seen
for name in Headers URL; do
	grep -q "^$name: toEqual fails, toStrictEqual fails, toHaveBeenCalledWith fails\$" seen
done
echo "as stated"
