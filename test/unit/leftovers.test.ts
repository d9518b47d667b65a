import { expect, test } from "vitest";
import { reasonsIn } from "../../scripts/leftovers.ts";

test("a teardown that took too long says why of pools that stay, and of those that are being removed", () => {
	const reasons = reasonsIn({
		vms: 2,
		billed: 2,
		providers: { aws: { instances: { default: {}, b: { problems: ["its delete fails"] } } } },
		removing: [{ provider: "digitalocean", instance: "gone", problems: ["the provider refuses our credentials: no"] }],
	});
	expect(reasons).toEqual([
		"aws/b: its delete fails",
		"digitalocean/gone, which is being removed: the provider refuses our credentials: no",
	]);
	expect(reasonsIn(null)).toEqual([]);
});
