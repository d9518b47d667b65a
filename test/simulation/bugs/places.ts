/** Slips of where VMs go. */
import * as CreateRoom from "../../../src/core/effects/create.ts";
import * as NeighbourFacts from "../../../src/core/facts/neighbours.ts";
import * as Neighbours from "../../../src/core/model/neighbours.ts";
import * as Places from "../../../src/core/model/places.ts";
import type { Spec } from "../../../src/core/model/state.ts";
import type { Draft } from "../../../src/core/planning/draft.ts";
import * as Placing from "../../../src/core/planning/placing.ts";
import { type Bug, plant } from "../planting.ts";
import { asIf, withChanged } from "./as-if.ts";

/** The place of each new VM is chosen as if the settings said this. */
const placedAsIf = (change: (spec: Spec) => Partial<Spec>) =>
	plant(
		Placing,
		"Places",
		(Original) =>
			class extends Original {
				private readonly draft: Draft;
				constructor(draft: Draft) {
					super(draft);
					this.draft = draft;
				}
				override next() {
					const { spec } = this.draft.state;
					return asIf(this.draft, { spec: { ...spec, ...change(spec) } }, () => super.next());
				}
			},
	);

export const PLACES: readonly Bug[] = [
	{
		name: "a place that is sold out is asked again at once, by all",
		plants: [plant(Places, "placeBreaker", () => () => ({ until: 0, failures: 0, why: "", steppedAt: 0 }))],
		isPlaced: true,
	},
	{
		name: "a place that has refused is tried by several at a time",
		plants: [
			plant(Places, "placeBreaker", (placeBreaker) => (state, place) => ({ ...placeBreaker(state, place), failures: 0 })),
			plant(Placing, "sentIn", () => () => 0),
		],
		isPlaced: true,
	},
	{
		name: "wait for the first place, though others have room",
		plants: [placedAsIf(({ places }) => ({ places: places.filter(({ region }) => region === "here") }))],
		isPlaced: true,
	},
	{
		name: "a place takes more than it may",
		plants: [placedAsIf(() => ({ maxPerPlace: null }))],
		isPlaced: true,
	},
	{
		name: "fill the first place of a pool that is to be even",
		plants: [placedAsIf(({ spread }) => ({ spread: spread === "even" ? "pack" : spread }))],
		isPlaced: true,
	},
	{
		name: "replace the oldest first, wherever they are",
		plants: [plant(Placing, "leavers", () => (_state, proxies, most) => proxies.slice(0, Math.max(0, most)))],
		isPlaced: true,
		isRolled: true,
	},
	{
		name: "a pool that hears of its account's rate limit goes on calling",
		plants: [plant(NeighbourFacts, "withSharedLimit", () => (state) => state)],
		focus: ["rateLimited"],
	},
	{
		name: "what a fallback adds is never given back",
		plants: [
			plant(
				Neighbours,
				"wantedOfFallback",
				(wanted, { askedOf }) =>
					(state, now) =>
						Math.max(wanted(state, now), askedOf(state)),
			),
		],
		isPlaced: true,
	},
	{
		name: "a create that is sent once more goes to another place",
		plants: [
			plant(CreateRoom, "create", (create) => ({
				...create,
				sent(state, effect, now, tokenHash) {
					const sent = create.sent?.(state, effect, now, tokenHash) ?? state;
					const other = state.spec.places.at(-1);
					return withChanged(sent, effect.id, ({ formerTokenHash }) =>
						formerTokenHash === null || other === undefined ? null : { place: other },
					);
				},
			})),
		],
		focus: ["createAnswerLost"],
		isPlaced: true,
		provider: "hetzner",
	},
];
