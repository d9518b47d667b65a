/** Slips of whom a registration is believed. */
import * as Agents from "../../../src/core/facts/agents.ts";
import * as Registration from "../../../src/core/model/registration.ts";
import { type Bug, plant } from "../planting.ts";
import { withChanged } from "./as-if.ts";

export const REGISTRATION: readonly Bug[] = [
	{
		name: "accept a replayed registration with another key",
		plants: [
			plant(Registration, "judgeRegistration", (judgeRegistration) => (state, request, now) => {
				const proxy = state.proxies.get(request.id);
				return judgeRegistration(state, { ...request, keyHash: proxy?.keyHash ?? proxy?.claim?.keyHash ?? request.keyHash }, now);
			}),
		],
		focus: ["replayedRegistration", "tokensStolen"],
	},
	{
		name: "accept a registration from another address",
		plants: [
			plant(Registration, "judgeRegistration", (judgeRegistration) => (state, request, now) => {
				return judgeRegistration(state, { ...request, address: state.proxies.get(request.id)?.address ?? request.address }, now);
			}),
		],
		focus: ["replayedRegistration", "tokensStolen"],
	},
	{
		name: "believe an early registration without the inventory",
		plants: [plant(Registration, "isBorneOut", () => () => true)],
	},
	{
		name: "let a replayed registration take the place of the first claim",
		plants: [
			plant(Agents, "applyRegistered", (applyRegistered) => (state, { id, ...claim }, now) => {
				return withChanged(applyRegistered(state, { id, ...claim }, now), id, (proxy) =>
					proxy.claim?.keyHash === claim.keyHash && proxy.address === null ? { claim: { ...claim, at: now } } : null,
				);
			}),
		],
		focus: ["replayedRegistration", "tokensStolen", "slowCalls"],
	},
];
