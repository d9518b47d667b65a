import { beforeEach, describe, expect, test } from "vitest";
import { ADMIN_KEY, ask, bodyOf, enter, publicationOf, rowOf, show, startAfresh } from "./helpers.ts";

const BIG = JSON.stringify({ min_scaling: 1, max_scaling: 2, padding: "x".repeat(65 * 1024) });
const json = (body: string, type = "application/json"): RequestInit => ({ method: "PATCH", body, headers: { "Content-Type": type } });
const bounds = (min: unknown, max: unknown) => json(JSON.stringify({ min_scaling: min, max_scaling: max }));
const post = (body: unknown): RequestInit => ({
	method: "POST",
	body: JSON.stringify(body),
	headers: { "Content-Type": "application/json" },
});
const remove: RequestInit = { method: "DELETE" };
const RANGE = "must be a whole number from 0 to 10000";
const MISSING = "is required: a whole number from 0 to 10000";

/** What is asked, the answer's status, and its sentence or a part of it. */
const CASES: readonly [path: string, init: RequestInit, status: number, detail: string | RegExp][] = [
	["/?offset=-1", {}, 422, "offset must be a whole number of at least 0."],
	["/?offset=x", {}, 422, "offset must be a whole number of at least 0."],
	["/?offset=1.5", {}, 422, "offset must be a whole number of at least 0."],
	["/?offset=", {}, 422, "offset must be a whole number of at least 0."],
	["/?offset=1e309", {}, 422, "offset must be a whole number of at least 0."],
	["/?offset=99999999999999999999999", {}, 422, "offset must be a whole number of at least 0."],
	["/?offset=1&offset=2", {}, 422, "offset is given twice."],
	["/?limit=0", {}, 422, "limit must be a whole number from 1 to 100."],
	["/?limit=101", {}, 422, "limit must be a whole number from 1 to 100."],
	["/?limit=NaN&offset=-1", {}, 422, "offset must be a whole number of at least 0. limit must be a whole number from 1 to 100."],
	["/destroy", remove, 422, "ip_address is required: the proxy's address, as in ?ip_address=192.0.2.1."],
	["/destroy?ip_address=", remove, 422, /^ip_address is required/],
	["/destroy?ip_address=nonsense", remove, 422, "Invalid IP address format"],
	["/destroy?ip_address=1", remove, 422, "Invalid IP address format"],
	["/destroy?ip_address=192.0.2.256", remove, 422, "Invalid IP address format"],
	["/destroy?ip_address=0300.0.2.1", remove, 422, "Invalid IP address format"],
	["/destroy?ip_address=fe80::1%25eth0", remove, 422, "Invalid IP address format"],
	["/destroy?ip_address=192.0.2.1:8899", remove, 422, "Invalid IP address format"],
	["/destroy?ip_address=192.0.2.1&ip_address=192.0.2.2", remove, 422, "ip_address is given twice."],
	["/random?session=a&session=b&session=c", {}, 422, "session is given 3 times."],
	["/random?sesion=customer-42", {}, 422, "sesion is no parameter here; session is."],
	["/random?Session=customer-42", {}, 422, "Session is no parameter here; session is."],
	["/?page=2", {}, 422, /^page is no parameter here; known are offset, limit, provider, instance, region, .*session/],
	["/?offest=2&limt=3", {}, 422, "offest is no parameter here; offset is. limt is no parameter here; limit is."],
	["/destroy?ip=192.0.2.1", remove, 422, "ip is no parameter here; ip_address is."],
	["/destroy?ip_address=192.0.2.1&force=1", remove, 422, "force is no parameter here; known are ip_address."],
	["/health?strct=1", {}, 422, "strct is no parameter here; strict is."],
	["/providers?x=1", {}, 422, "x is no parameter here, which takes none."],
	["/providers/aws?min_scaling=1", bounds(1, 2), 422, "min_scaling is no parameter here, which takes none."],
	["/random?exclude=192.0.2.1,nonsense,,300.0.0.1", {}, 422, "exclude must be IP addresses, comma-separated: number 2, 4 is none."],
	["/?nonsense=1&constructor=2&__proto__=3", {}, 422, /nonsense is no parameter here.*constructor.*__proto__/],
	["/destroy?ip_address=192.0.2.99", remove, 404, "Proxy '192.0.2.99' not found"],
	["/destroy?ip_address=2001:db8::1", remove, 404, "Proxy '2001:db8::1' not found"],
	["/destroy?ip_address=192.0.2.99", { method: "DELETE", body: "x".repeat(65 * 1024) }, 413, "The request's body is larger than 64 KiB."],
	["/restart", remove, 422, /^ip_address is required/],
	["/restart?ip_address=nonsense", remove, 422, "Invalid IP address format"],
	["/restart?ip_address=192.0.2.99", remove, 404, "Proxy '192.0.2.99' not found"],
	["/providers/nonsense", {}, 404, "Provider 'nonsense' not found"],
	["/providers/constructor", {}, 404, "Provider 'constructor' not found"],
	["/providers/__proto__", {}, 404, "Provider '__proto__' not found"],
	["/providers/DigitalOcean", {}, 404, "Provider 'DigitalOcean' not found"],
	["/providers/%E0%A4%A", {}, 404, /^Provider '.*' not found$/],
	["/providers/digitalocean/nonsense", {}, 404, "Provider 'digitalocean' instance 'nonsense' not found"],
	["/providers/nonsense/default", {}, 404, "Provider 'nonsense' not found"],
	["/providers/nonsense", bounds(1, 2), 404, "Provider 'nonsense' not found"],
	["/providers/aws/nonsense", bounds(1, 2), 404, "Provider 'aws' instance 'nonsense' not found"],
	["/providers/aws", json("{"), 400, "The body is not JSON."],
	["/providers/aws", json('{"min_scaling":1,"max_scaling":2}', "text/plain"), 400, /Content-Type: application\/json, not text\/plain/],
	["/providers/aws", json("min_scaling=1", "application/x-www-form-urlencoded"), 400, /application\/json/],
	["/v1.1/endpoints/aws-default?keeep=true", remove, 400, /"keeep":"is no parameter here; keep is"/],
	["/v1.1/endpoints/aws-default?keep=true&keep=false", remove, 400, /"keep":"is given twice"/],
	["/v1.1/endpoints/aws-default/instances?maap=1", {}, 400, /"maap":"is no parameter here; map is"/],
	["/v1.1/url", post({ url: "https://example.com\nX" }), 400, /url/],
	["/v1.1/endpoints/aws-default/metrics", post({ a: [1e300, 1e300] }), 400, /is too large/],
	["/v1.1/endpoints/aws-default/metrics", { ...post({}), body: '{"__proto__":[1,3]}' }, 400, /is no name of a metric/],
	["/providers/aws", { method: "PATCH" }, 422, /min_scaling.*max_scaling/],
	["/providers/aws", json("{}"), 422, `min_scaling ${MISSING}. max_scaling ${MISSING}.`],
	["/providers/aws", json('{"min_scaling":1}'), 422, `max_scaling ${MISSING}.`],
	["/providers/aws", json("[]"), 422, "The body must be a JSON object with the fields min_scaling, max_scaling."],
	["/providers/aws", json("null"), 422, "The body must be a JSON object with the fields min_scaling, max_scaling."],
	["/providers/aws", json('"x"'), 422, "The body must be a JSON object with the fields min_scaling, max_scaling."],
	["/providers/aws", bounds(1, undefined), 422, `max_scaling ${MISSING}.`],
	["/providers/aws", bounds("one", 2), 422, `min_scaling ${RANGE}.`],
	["/providers/aws", bounds("-1", "2.5"), 422, `min_scaling ${RANGE}. max_scaling ${RANGE}.`],
	["/providers/aws", bounds("3", "2"), 422, "max_scaling must not be less than min_scaling."],
	["/rolling", json('{"enabled":"perhaps","min_available":3,"batch_size":2}'), 422, "enabled must be true or false."],
	["/rolling", json('{"enabled":2,"min_available":3,"batch_size":2}'), 422, "enabled must be true or false."],
	["/destroy?ip_address=192.0.2.99", { method: "DELETE", body: "not JSON" }, 404, "Proxy '192.0.2.99' not found"],
	["/restart?ip_address=192.0.2.99", { method: "DELETE", body: '"192.0.2.99"' }, 404, "Proxy '192.0.2.99' not found"],
	["/providers/aws", bounds(true, 2), 422, `min_scaling ${RANGE}.`],
	["/providers/aws", bounds(null, 2), 422, `min_scaling ${RANGE}.`],
	["/providers/aws", bounds(1.5, 2), 422, `min_scaling ${RANGE}.`],
	["/providers/aws", bounds(-1, 2), 422, `min_scaling ${RANGE}.`],
	["/providers/aws", bounds(1, 10_001), 422, `max_scaling ${RANGE}.`],
	["/providers/aws", json('{"min_scaling":1,"max_scaling":1e400}'), 422, `max_scaling ${RANGE}.`],
	["/providers/aws", bounds(3, 2), 422, "max_scaling must not be less than min_scaling."],
	[
		"/providers/aws",
		json('{"min_scaling":1,"max_scaling":2,"x":3}'),
		422,
		/must not have the field "x"; allowed are min_scaling, max_scaling/,
	],
	["/providers/aws", json('{"min_scaling":1,"max_scaling":2,"__proto__":{}}'), 422, /__proto__/],
	["/providers/aws/default", bounds(3, 2), 422, "max_scaling must not be less than min_scaling."],
	["/providers/aws", json(BIG), 413, "The request's body is larger than 64 KiB."],
	["/providers/nonsense/default", json("{"), 400, "The body is not JSON."],
	["/probe", {}, 422, "nonce is required: 1 to 128 letters, digits, - or _."],
	["/probe?nonce=", {}, 422, "nonce must be 1 to 128 letters, digits, - or _."],
	["/probe?nonce=%3Cscript%3E", {}, 422, "nonce must be 1 to 128 letters, digits, - or _."],
	[`/probe?nonce=${"a".repeat(129)}`, {}, 422, "nonce must be 1 to 128 letters, digits, - or _."],
	["/%00", {}, 404, /There is no/],
	["/v1.0/nowhere", {}, 404, /There is no/],
];

const NAMES: Readonly<Record<number, string>> = { 400: "BadRequest", 404: "NotFound", 413: "PayloadTooLarge", 422: "ValidationError" };

beforeEach(startAfresh);

describe("bad input gets the right status and a sentence", () => {
	for (const [path, init, status, detail] of CASES) {
		const body = typeof init.body === "string" ? ` ${init.body.slice(0, 60)}` : "";
		test(`${init.method ?? "GET"} ${path.slice(0, 80)}${body}: ${status}`, async () => {
			const response = await ask(path, init);
			expect(response.status).toBe(status);
			if (path.startsWith("/v1.")) return expect(await response.text()).toMatch(detail);
			const answer = await bodyOf(response);
			expect(answer.error).toBe(NAMES[status]);
			if (typeof detail === "string") expect(answer.detail).toBe(detail);
			else expect(answer.detail).toMatch(detail);
		});
	}

	test("a body sent in pieces is bounded as well", async () => {
		let sent = 0;
		const body = new ReadableStream({
			pull(controller) {
				if (++sent > 200) controller.close();
				else controller.enqueue(new TextEncoder().encode("x".repeat(1024)));
			},
		});
		const response = await ask("/providers/aws", { method: "PATCH", body, headers: { "Content-Type": "application/json" } });
		expect(response.status).toBe(413);
		await response.text();
	});

	test("numbers and booleans are taken as text too, as the original takes them", async () => {
		for (const body of [bounds("1", "2"), bounds("1.0", " 2 "), bounds(1, "2")]) {
			const response = await ask("/providers/aws", body);
			expect([response.status, (await bodyOf(response)).provider.scaling]).toEqual([200, { min_scaling: 1, max_scaling: 2 }]);
		}
		for (const [enabled, wanted] of [
			["true", true],
			["False", false],
			["1", true],
			[0, false],
			["on", true],
			["no", false],
			[true, true],
		] as const) {
			const response = await ask("/rolling", json(JSON.stringify({ enabled, min_available: "3", batch_size: "2" })));
			expect((await bodyOf(response)).config, String(enabled)).toEqual({ enabled: wanted, min_available: 3, batch_size: 2 });
		}
	});

	test("the key is a parameter everywhere, and pages take what they are asked with", async () => {
		expect((await ask(`/providers?auth_key=${ADMIN_KEY}`)).status).toBe(200);
		for (const path of ["/docs?from=mail", "/openapi.json?v=2"]) expect((await ask(path)).status, path).toBe(200);
	});

	test("an IPv6 address is found however it is written", async () => {
		const object = await enter();
		await show(publicationOf(object, { proxies: [rowOf("a", { address: "2001:db8::1" })] }));
		const response = await ask("/restart?ip_address=2001:0DB8:0:0:0:0:0:1", remove);
		// The pool behind it never ran: it knows no such proxy.
		expect(response.status).toBe(404);
		expect(await (await ask("/destroy?ip_address=2001:0DB8:0:0:0:0:0:1", remove)).json()).toMatchObject({ proxy: { ip: "2001:db8::1" } });
	});
});
