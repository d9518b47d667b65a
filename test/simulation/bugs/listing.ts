/** Slips where D1 has lost its row of a pool, or shows an older copy. */
import * as EnterRoom from "../../../src/core/effects/enter.ts";
import * as PublishRoom from "../../../src/core/effects/publish.ts";
import * as Listing from "../../../src/core/facts/listing.ts";
import { type Bug, plant } from "../planting.ts";

export const LISTING: readonly Bug[] = [
	{
		name: "launch though the directory lacks the pool",
		plants: [
			plant(
				Listing,
				"unlistedUntil",
				(unlistedUntil) => (state) => unlistedUntil({ ...state, listing: { ...state.listing, unlistedAt: null } }),
			),
		],
		focus: ["databaseLost"],
	},
	{
		name: "take no notice that a publication finds no row",
		plants: [
			plant(PublishRoom, "publish", (publish) => ({
				...publish,
				failed: (state, effect, failure, now) =>
					publish.failed(state, effect, failure.kind === "notFound" ? { ...failure, kind: "transient" } : failure, now),
			})),
		],
		focus: ["databaseLost"],
	},
	{
		name: "take no notice that the directory shows a later state of the pool",
		plants: [
			plant(Listing, "withSeen", (withSeen) => (state, seen, now) => {
				const isLater = seen.is === "there" && seen.version > state.published.version;
				return isLater ? state : withSeen(state, seen, now);
			}),
		],
		focus: ["databaseAhead"],
	},
	{
		name: "never enter again",
		plants: [plant(EnterRoom, "enter", (enter) => ({ ...enter, plan: () => undefined }))],
		focus: ["databaseLost"],
	},
];
