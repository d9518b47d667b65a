import { describe, expect, it } from "vitest";
import { compared, isLacking, type KnownPool, NOTHING_KNOWN } from "../../src/rpc/register.ts";

const pool = (object: string, more: Partial<KnownPool> = {}): KnownPool => ({
	object,
	provider: "digitalocean",
	name: object,
	incarnation: 1,
	source: "api",
	removedAt: null,
	names: [object],
	...more,
});
const [A, B] = [pool("a"), pool("b")];
const known = compared(NOTHING_KNOWN, { deployment: "first", pools: [A, B] }).register;

describe("the register", () => {
	it("remembers the deployment's id and pools, and tells which of them D1 has lost", () => {
		expect(known).toEqual({ deployment: "first", former: [], pools: [A, B] });
		const { register, lacking } = compared(known, { deployment: null, pools: [] });
		expect([register, lacking]).toEqual([known, [A, B]]);
		expect(compared(known, { deployment: "first", pools: [B] }).lacking).toEqual([A]);
	});

	it("keeps the id that it knew first, and those that D1 or pools held besides", () => {
		const { register } = compared(known, { deployment: "second", pools: [A, B], heard: ["third", "first"] });
		expect([register.deployment, register.former]).toEqual(["first", ["second", "third"]]);
		expect(compared(register, { deployment: "first", pools: [A, B] }).register.former).toEqual(["second", "third"]);
	});

	it("crosses off what holds no pool any more, and takes names as they are now", () => {
		const renamed = { ...A, names: ["a", "alias"] };
		expect(compared(known, { deployment: "first", pools: [renamed], gone: ["b"] })).toEqual({
			register: { deployment: "first", former: [], pools: [renamed] },
			lacking: [],
		});
	});

	it("keeps places and names for those that come back, but not for those that were removed", () => {
		const place = { provider: "digitalocean", name: "a", endpoint: "x" };
		expect(isLacking([A], place)).toBe(true);
		expect(isLacking([A], { provider: "aws", name: "z", endpoint: "a" })).toBe(true);
		expect(isLacking([A], { provider: "aws", name: "a", endpoint: "x" })).toBe(false);
		expect(isLacking([{ ...A, removedAt: 1 }], place)).toBe(false);
	});
});
