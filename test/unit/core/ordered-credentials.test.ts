import { describe, expect, test } from "vitest";
import { apply } from "../../../src/core/apply.ts";
import type { Settings } from "../../../src/core/model/command.ts";
import { credentialsAsked, type Login } from "../../../src/core/model/credentials.ts";
import { directivesFor, mayBeToldAnew } from "../../../src/core/model/directives.ts";
import { intentOf } from "../../../src/core/model/proxy.ts";
import { newState, type OrderedCredentials, type State } from "../../../src/core/model/state.ts";

const OWN = { username: "own", password: "secret" };
const FIRST: OrderedCredentials = { revision: 1_000, is: "set", username: "user", password: "first", formerSeconds: 600 };
const SECOND: OrderedCredentials = { revision: 2_000, is: "set", username: "user", password: "second", formerSeconds: 600 };
const REVOKED: OrderedCredentials = { revision: 3_000, is: "revoked", username: "", password: "", formerSeconds: 600 };
const unread = (revision: number): OrderedCredentials => ({ revision, is: "unread", username: "", password: "", formerSeconds: 600 });

const born = newState({ object: "o", provider: "aws", name: "default", deployment: "d", incarnation: 1, tag: "t" }, 1);
const configured = (state: State, credentials: Login, changes: Partial<Settings> = {}): State => {
	const settings = { spec: born.spec, suspended: null, agentUrl: null, credentials, allow: [], fromEnvironment: true, ...changes };
	return apply(state, { on: "command", command: { do: "configure", settings, account: "" } }, 2);
};
const told = (state: State, ordered: OrderedCredentials, own: Login = OWN) => apply(state, { on: "credentials", ordered, own }, 3);
const asked = (state: State) => credentialsAsked(state)?.password ?? null;

describe("credentials that an operator orders", () => {
	test("hold at once, and no configuration undoes them", () => {
		const state = told(configured(born, OWN), FIRST);
		expect(credentialsAsked(state)).toEqual({ version: 2, username: "user", password: "first" });
		expect(configured(state, OWN)).toBe(state);
		expect(asked(configured(state, { username: "own", password: "another" })), "a secret that is deployed since").toBe("first");
	});

	test("are told of twice, late and in any order: an earlier order brings nothing back", () => {
		const state = told(told(configured(born, OWN), FIRST), SECOND);
		expect(told(state, SECOND)).toBe(state);
		expect(told(state, FIRST)).toBe(state);
		const back = told(state, REVOKED);
		expect(asked(back)).toBe("secret");
		for (const earlier of [FIRST, SECOND]) expect(told(back, earlier)).toBe(back);
	});

	test("hold in a pool that is suspended for another reason", () => {
		const state = configured(configured(born, OWN), OWN, { suspended: "the size is no size" });
		expect(asked(told(state, FIRST))).toBe("first");
	});

	test("are not written to the log", () => {
		const state = told(told(configured(born, OWN), FIRST), REVOKED);
		expect(state.log.map(({ text }) => text)).toContain("an operator has set other credentials for proxies");
		expect(JSON.stringify(state.log)).not.toMatch(/first|secret/);
	});

	test("are never taken back where anyone could use the proxies then", () => {
		const state = told(told(configured(born, OWN), FIRST), REVOKED, null);
		expect(asked(state)).toBe("first");
		expect(asked(configured(state, null, { suspended: "Anyone could use the proxies" }))).toBe("first");
	});

	test("are taken back to none where some addresses only may use them", () => {
		const state = configured(born, null, { allow: ["192.0.2.0/24"] });
		expect(asked(told(told(state, FIRST, null), REVOKED, null))).toBe(null);
	});
});

test("an order may have the former refused at once, which lines are told though the credentials are the same", () => {
	const proxies = born.proxies.with("proxy", { ...intentOf("proxy", 1), credentials: 2 });
	const state = { ...told(configured(born, OWN), { ...FIRST, formerSeconds: 0 }), agentUrl: "https://muster.test", proxies };
	expect(directivesFor(state, "proxy", 4)?.credentials).toEqual({ version: 2, username: "user", password: "first", former: 0 });
	const usual = told(state, { ...FIRST, revision: 1_001 });
	expect(directivesFor(usual, "proxy", 4)?.credentials).toEqual({ version: 2, username: "user", password: "first" });
	expect(mayBeToldAnew(state, usual)).toBe(null);
});

describe("former credentials that an order has refused at once", () => {
	const proxy = { ...intentOf("proxy", 1), credentials: 2 };
	const state = { ...told(configured(born, OWN), FIRST), agentUrl: "https://muster.test" };
	const before = { ...state, proxies: state.proxies.with("proxy", proxy) };
	const refused = told(before, { ...SECOND, formerSeconds: 0 });
	const toldTo = (one: State) => directivesFor(one, "proxy", 4)?.credentials;
	const acknowledged = (one: State, credentials: number) => ({ ...one, proxies: one.proxies.with("proxy", { ...proxy, credentials }) });

	test("are refused by an agent too that hears of a later order alone", () => {
		const later = told(refused, { ...SECOND, revision: 2_500, password: "third" });
		expect(toldTo(later)).toEqual({ version: 4, username: "user", password: "third", former: 0 });
		expect(toldTo(told(later, REVOKED)), "and by one that hears of none").toMatchObject({ version: 5, password: "secret", former: 0 });
		expect(toldTo(acknowledged(later, 3)), "and no others are").toEqual({ version: 4, username: "user", password: "third" });
		expect(toldTo(acknowledged(later, 4))).not.toHaveProperty("former");
	});

	test("are those before what is asked for, where the order names that again", () => {
		const again = told(told(before, SECOND), { ...SECOND, revision: 2_500, formerSeconds: 0 });
		expect(again.log).toEqual(told(before, SECOND).log);
		const later = told(again, { ...SECOND, revision: 2_600, password: "third" });
		expect([toldTo(later), toldTo(acknowledged(later, 3))]).toMatchObject([{ version: 4, former: 0 }, { version: 4 }]);
		expect(toldTo(acknowledged(later, 3))).not.toHaveProperty("former");
	});
});

describe("an order that cannot be decrypted", () => {
	test("leaves what the pool asks for, until it can be", () => {
		const state = told(told(configured(born, OWN), FIRST), unread(2_000));
		expect(asked(state)).toBe("first");
		expect(asked(configured(state, OWN))).toBe("first");
		expect(asked(told(state, FIRST)), "an earlier one is not the answer").toBe("first");
		expect(asked(told(state, SECOND))).toBe("second");
	});

	test("takes nothing from a pool that knows it", () => {
		const state = told(configured(born, OWN), FIRST);
		expect(told(state, unread(FIRST.revision))).toBe(state);
	});

	test("suspends a pool that has never asked for any, instead of launching with the secrets that it replaced", () => {
		const state = configured(told(born, unread(1_000)), OWN);
		expect(state.credentials).toEqual([]);
		expect(state.suspended).toContain("ENCRYPTION_KEY");
		const mended = configured(told(state, FIRST), OWN);
		expect([mended.suspended, asked(mended)]).toEqual([null, "first"]);
	});

	test("does not open what admitted some addresses and admits all now", () => {
		const state = told(told(configured(born, null, { allow: ["192.0.2.0/24"] }), FIRST, null), REVOKED, null);
		const opened = configured(told(state, unread(4_000)), OWN, { allow: [] });
		expect(asked(opened)).toBe("secret");
	});
});
