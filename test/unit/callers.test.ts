import { expect, test } from "vitest";
import { type Door, refusalOf } from "../cloud/callers.ts";

const CLOSED: Door = { hosts: [], origins: [], admitsLinks: false };
const ask = (headers: Record<string, string>, door: Door = CLOSED, method = "GET") => refusalOf(method, new Headers(headers), door);

test.each(["localhost", "localhost:8787", "127.0.0.1:8787", "127.77.0.3", "127.1:80", "[::1]:8787", "muster.localhost:8787"])(
	"a program may call by the name %s",
	(host) => expect(ask({ host })).toBeNull(),
);

test.each(["evil.test:8787", "127.0.0.1.evil.test", "localhost.evil.test:8787", "10.0.0.1", "2130706434.evil.test", "[::2]", ""])(
	"the name '%s' is not this machine's, so a page that was rebound to it gets nothing",
	(host) => expect(ask({ host })).toContain("Not for the host"),
);

test("a name that is given is answered", () => {
	expect(ask({ host: "muster.example.org" }, { ...CLOSED, hosts: ["muster.example.org"] })).toBeNull();
});

test("pages of other origins are refused, those of another port of this machine among them, and so is the origin that hides", () => {
	const host = "localhost:8787";
	for (const origin of ["http://evil.test", "http://localhost:3000", "https://localhost:8787", "null"])
		expect(ask({ host, origin }, CLOSED, "POST")).toBe(`Not for pages of ${origin}.`);
	expect(ask({ host, origin: "http://localhost:8787" }, CLOSED, "POST")).toBeNull();
	expect(ask({ host, origin: "http://app.test" }, { ...CLOSED, origins: ["http://app.test"] }, "POST")).toBeNull();
	expect(ask({ host, origin: "http://app.test", "sec-fetch-site": "cross-site" }, { ...CLOSED, origins: ["*"] }, "POST")).toBeNull();
});

test("what a browser sends for another site's page without naming it is refused, but for a link where links are admitted", () => {
	const image = { host: "localhost:8790", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" };
	const link = { ...image, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };
	const linked = { ...CLOSED, admitsLinks: true };
	expect([ask(image), ask(image, linked), ask(link), ask(link, linked, "POST")]).toEqual(Array(4).fill("Not for pages of other sites."));
	expect(ask({ ...image, "sec-fetch-site": "same-site" })).not.toBeNull();
	expect(ask(link, linked)).toBeNull();
	for (const site of ["same-origin", "none"]) expect(ask({ ...image, "sec-fetch-site": site })).toBeNull();
});
