import { describe, expect, test } from "vitest";
import { apply } from "../../../src/core/apply.ts";
import type { Effect } from "../../../src/core/effects/index.ts";
import type { Settings } from "../../../src/core/model/command.ts";
import { credentialsAsked, credentialsOfVersion } from "../../../src/core/model/credentials.ts";
import { problemsOf } from "../../../src/core/model/projection.ts";
import type { State } from "../../../src/core/model/state.ts";
import { plan } from "../../../src/core/plan.ts";
import { NOW, poolOf } from "../fake-ports.ts";

type Asked = Settings["credentials"];

function configured(state: State, change: { credentials?: Asked; allow?: readonly string[] }): State {
	const settings: Settings = {
		spec: state.spec,
		suspended: null,
		agentUrl: null,
		credentials: credentialsAsked(state),
		allow: state.allow,
		fromEnvironment: false,
		...change,
	};
	return apply(state, { on: "command", command: { do: "configure", settings, account: "" } }, NOW);
}

/** After every agent has acknowledged what it shall ask for now. */
const acknowledged = (state: State): State =>
	[...state.proxies.keys()].reduce(
		(before, id) =>
			apply(
				before,
				{ on: "heartbeat", id, active: 0, metrics: {}, sessions: [], credentials: credentialsAsked(before)?.version ?? 0 },
				NOW,
			),
		state,
	);

describe("credentials", () => {
	const a = { username: "a", password: "1" };
	const b = { username: "b", password: "2" };

	test("are known for as long as a proxy goes by them, also when none are asked for any more", () => {
		const asked = acknowledged(
			configured(
				poolOf(1, () => ({})),
				{ credentials: a },
			),
		);
		const lifted = configured(asked, { credentials: null });
		expect(credentialsAsked(lifted)).toBeNull();
		expect(credentialsOfVersion(lifted, 1), "its agent has not heard of it").toMatchObject(a);
		expect(credentialsOfVersion(acknowledged(lifted), 0)).toBeNull();
	});

	test("never come back under a version that had others", () => {
		const versions = [a, null, b, null, a].reduce<{ state: State; seen: number[] }>(
			({ state, seen }, asked) => {
				const after = acknowledged(configured(state, { credentials: asked }));
				const version = credentialsAsked(after)?.version;
				return { state: after, seen: version === undefined ? seen : [...seen, version] };
			},
			{ state: poolOf(2, () => ({})), seen: [] },
		).seen;
		expect(versions).toHaveLength(3);
		expect(new Set(versions).size).toBe(3);
		expect(versions).toEqual([...versions].sort());
	});

	test("that stay the same change nothing, nor does asking for none again", () => {
		const none = configured(
			poolOf(1, () => ({})),
			{ credentials: null },
		);
		expect(none.credentials).toEqual([]);
		const asked = configured(none, { credentials: a });
		expect(configured(asked, { credentials: { ...a } }).credentials).toBe(asked.credentials);
	});
});

describe("the firewall", () => {
	const ONE = ["192.0.2.1/32"];
	const effectsOf = (state: State, now = NOW) => plan(state, now, () => 0.5).effects.filter(({ call }) => call === "firewall");
	const open = (count: number): State => ({ ...poolOf(count, () => ({})), firewall: { admits: [], tries: 0, retryAt: 0, why: "" } });
	const effect: Effect = { call: "firewall", allow: ONE };

	test("is left alone by a pool that is being removed: it is the other pools' as well, and what that one knows of it is old", () => {
		const changed = configured(open(1), { allow: ONE });
		expect(effectsOf(changed)).toEqual([effect]);
		expect(effectsOf(apply(changed, { on: "command", command: { do: "run", run: "removing" } }, NOW))).toEqual([]);
	});

	test("is changed once the addresses that may come in have changed, and then rests", () => {
		const changed = configured(open(2), { allow: ONE });
		expect(effectsOf(changed)).toEqual([effect]);
		const sent = apply(changed, { on: "sent", effect }, NOW);
		expect(effectsOf(sent), "while its answer is waited for").toEqual([]);
		expect(effectsOf(sent, NOW + 61_000), "its answer was lost").toEqual([effect]);
		const done = apply(sent, { on: "done", effect, result: null, startedAt: NOW }, NOW);
		expect(effectsOf(done, NOW + 3_600_000)).toEqual([]);
		expect(done.log.at(-1)?.text).toBe("the firewall admits only 192.0.2.1/32");
	});

	test("is changed anew where the addresses change while its answer is waited for", () => {
		const sent = apply(configured(open(2), { allow: ONE }), { on: "sent", effect }, NOW);
		const other = configured(sent, { allow: [] });
		expect(effectsOf(apply(other, { on: "done", effect, result: null, startedAt: NOW }, NOW), NOW)).toEqual([
			{ call: "firewall", allow: [] },
		]);
	});

	test("that cannot be changed is told to the operator and tried again, with growing pauses", () => {
		let state = configured(open(2), { allow: ONE });
		let now = NOW;
		const pauses: number[] = [];
		for (let tries = 0; tries < 4; tries++) {
			state = apply(
				apply(state, { on: "sent", effect }, now),
				{ on: "failed", effect, failure: { kind: "transient", message: "it is busy" }, startedAt: now },
				now,
			);
			pauses.push(state.firewall.retryAt - now);
			now = state.firewall.retryAt;
			expect(effectsOf(state, now)).toEqual([effect]);
		}
		expect(pauses).toEqual([...pauses].sort((x, y) => x - y));
		expect(problemsOf(state)).toContain("the firewall could not be changed: it is busy");
		expect(problemsOf(apply(state, { on: "done", effect, result: null, startedAt: NOW }, now)).join()).not.toContain("firewall");
	});

	test("of a pool without VMs is left to the first create", () => {
		expect(effectsOf(configured(open(0), { allow: ONE }))).toEqual([]);
		const planned = plan({ ...configured(open(0), { allow: ONE }), spec: { ...open(1).spec } }, NOW, () => 0.5);
		const create = planned.effects.find((each) => each.call === "create");
		if (create === undefined) throw new Error("no create was planned");
		const sent = apply(planned.state, { on: "sent", effect: create, tokenHash: "t" }, NOW);
		expect(sent.firewall.admits).toEqual(ONE);
		expect(effectsOf(sent)).toEqual([]);
	});
});
