/** Slips of what operators order that proxies ask for. */
import * as Commands from "../../../src/core/facts/commands.ts";
import * as Credentials from "../../../src/core/model/credentials.ts";
import { type Bug, plant } from "../planting.ts";

const ORDERED: readonly Omit<Bug, "focus">[] = [
	{
		name: "go by the order of credentials that was told last",
		plants: [plant(Credentials, "isLaterOrder", () => () => true)],
	},
	{
		name: "have the deployment's own credentials stand over what an operator ordered",
		plants: [plant(Credentials, "loginInForce", () => (_state, own) => own)],
	},
	{
		name: "have former credentials refused by those alone that hear of that order",
		plants: [
			plant(Credentials, "credentialsTold", () => (state) => {
				const asked = Credentials.credentialsAsked(state);
				const former = state.orderedCredentials.formerSeconds;
				return asked === null || former === 600 ? asked : { ...asked, former };
			}),
		],
	},
	{
		name: "show proxies with new credentials before they have acknowledged them",
		plants: [
			plant(Commands, "applyCredentials", (applyCredentials) => (state, words, now) => {
				let after = applyCredentials(state, words, now);
				const version = after.credentials.at(-1)?.version ?? 0;
				if (after.credentials === state.credentials) return after;
				for (const proxy of state.proxies.values())
					after = { ...after, proxies: after.proxies.with(proxy.id, { ...proxy, credentials: version }) };
				return after;
			}),
		],
	},
];

export const CREDENTIALS: readonly Bug[] = ORDERED.map((bug) => ({ ...bug, focus: ["orderCredentials"] }));
