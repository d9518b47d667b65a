import { describe, expect, test } from "vitest";
import { BUGS } from "./bugs/index.ts";
import { caught } from "./catching.ts";

/** One of each kind that the first few seeds show. `npm run test:long` plants them all. */
const SHOWN_SOON = [
	"skip the intent: a create goes out unrecorded",
	"wait for all that is under way before anything else goes out",
	"forget a row that changed",
	"arm for what is due now, while the handler was called for now",
	"trust one list: what it lacks is gone",
	"delete what is not tagged for this pool",
	"count only ready proxies as billable",
	"drop the boot limit",
	"inherit health on a reused address",
	"believe an early registration without the inventory",
	"finish a create time and again, without a pause",
	"forget a session that is to be dropped",
	"go by the order of credentials that was told last",
	"roll those that came after the order, and so for ever",
	"put tags on a VM without recording it",
	"launch without a part of the deployment's budget",
	"no ramp",
	"tell an order to nobody but who opens a line",
	"suspect nobody whose line broke",
	"forget what an agent had counted before it was started anew",
	"give a proxy that is leased to another lease",
];

describe("a planted bug is caught", () => {
	test.concurrent.each(SHOWN_SOON)("%s", async (name) => {
		const bug = BUGS.find((one) => one.name === name);
		if (bug === undefined) throw new Error("there is no such bug");
		console.log((await caught(bug)).line);
	});

	test("and there are all those that there were", () => {
		expect(BUGS.length).toBeGreaterThanOrEqual(85);
	});
});
