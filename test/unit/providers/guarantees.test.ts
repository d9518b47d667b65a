import { describe, expect, it } from "vitest";
import { PROVIDERS } from "../../../src/providers/index.ts";
import { TERMS } from "../../cloud/contract-clouds.ts";
import { PROFILES, type ProfileName } from "../../simulation/profiles.ts";

/** A driver says as data what its cloud guarantees; the local cloud and the simulation do it. */
describe.each(Object.entries(PROVIDERS))("%s", (name, { absence, finishesCreate }) => {
	it("makes of a create that is sent twice what its driver says", () => {
		// A driver that goes on with what an earlier create left looks first, whatever its cloud would do.
		expect(TERMS[name]?.sameName).toBe(finishesCreate ? "same" : absence.repeat);
	});

	it.runIf(Object.hasOwn(PROFILES, name))("does in the simulation what its driver says", () => {
		const { idempotency, findLag } = PROFILES[name as ProfileName];
		expect(idempotency).toBe(absence.repeat === "second" ? "none" : absence.lookup);
		if (absence.isImmediate) expect(findLag).toEqual([0, 0]);
	});
});
