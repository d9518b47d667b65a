import { describe, expect, it } from "vitest";
import { carryOut } from "../../src/calls/index.ts";
import type { World } from "../../src/calls/world.ts";
import { Controller, type Host } from "../../src/controller/controller.ts";
import type { Command, Settings } from "../../src/core/model/command.ts";
import type { CloudName, Id, State } from "../../src/core/model/state.ts";
import type { ProviderDefinition } from "../../src/providers/base/provider.ts";
import { PROVIDERS } from "../../src/providers/index.ts";
import { Ledger } from "../../src/read-model/ledger.ts";
import type { Publication } from "../../src/read-model/publish.ts";
import { underContract } from "./contract.ts";
import { TERMS, type Terms } from "./contract-clouds.ts";
import { stillness } from "./stillness.ts";

/** A pool with a real driver at a local cloud, on one clock; the agents and D1 are answered for here. */
function poolAt(name: CloudName, terms: Terms) {
	const definition = PROVIDERS[name] as ProviderDefinition;
	const world = underContract(name, definition, terms, { bootMs: 1000 });
	const { clock } = world;
	const driver = world.open();
	const tokens = new Map<Id, string>();
	const ledger = new Ledger();
	const silent = new Set<string>();
	let published: Publication | null = null;
	/** As D1 shows them. */
	const rows = new Map<Id, string>();
	let [calls, alarmAt] = [0, 0];

	const outside: World = {
		now: () => clock.now(),
		provider: () => driver,
		takeRate: () => null,
		takeAnswers: () => ({}),
		takeToken: (id) => tokens.get(id) ?? "",
		userData: async (_state, token) => `#cloud-config\n# ${token}\n`,
		probe: async ({ address }) => (silent.has(address) ? { is: "silent" } : { is: "ok", active: 0 }),
		probePlainly: async () => ({ is: "ok", active: 0 }),
		knock: async () => true,
		assist: async () => null,
		shareLimit: async () => undefined,
		ledger,
		names: () => ({ displayName: name, settings: {} }),
		database: {
			publish: async (publication) => {
				published = publication;
				for (const { id, phase } of publication.proxies) rows.set(id, phase);
				return true;
			},
			reserve: async ({ hold, count, price }) => ({ hourly: hold + count * price, isRefused: false, isOver: false }),
			enter: async () => {
				throw new Error("the directory has it");
			},
			forget: async () => undefined,
		},
		measure: async () => "there is none",
		countCall: () => {
			calls++;
		},
		tell: (what, error) => expect.fail(`${what}: ${error}`),
	};
	const host: Host = {
		now: () => clock.now(),
		random: () => Math.random(),
		timer: (ms, callback) => clock.after(ms, callback),
		store: () => undefined,
		setAlarm: (at) => {
			alarmAt = at;
			clock.after(Math.max(0, at - clock.now()), () => at === alarmAt && void controller.alarm());
		},
		wipe: async () => undefined,
		wanted: () => ({ configure: null, isNamed: null }),
		budget: () => null,
		call: (effect, state) => carryOut(effect, state, outside),
		mintToken: (id) => {
			tokens.set(id, `token of ${id}`);
			return `hash of ${id}`;
		},
		passBegins: () => {
			calls = 0;
		},
		callsMade: () => calls,
		passFailed: (error) => {
			throw error;
		},
	};
	const identity = { object: "o", provider: name, name: "default", deployment: "abcdefghij", incarnation: 1, tag: "k3j2h1g0" };
	const { state } = Controller.initial(identity, clock.now(), "running");
	const controller: Controller = new Controller(host, { state, vitalsWrittenAt: 0, armedAt: null });

	/** Time goes by until something is so; fails after so many seconds of it. */
	async function until(what: string, seconds: number, isSo: (state: State) => boolean): Promise<void> {
		for (const end = clock.now() + seconds * 1000; clock.now() < end; clock.advance(250)) {
			await stillness();
			for (const proxy of controller.state.proxies.values()) {
				if (proxy.address === null || proxy.registered || proxy.phase.at !== "booting") continue;
				controller.register({ id: proxy.id, tokenHash: `hash of ${proxy.id}`, keyHash: `key of ${proxy.id}`, address: proxy.address });
			}
			if (isSo(controller.state)) return;
		}
		throw new Error(`${name}: not within ${seconds} s: ${what}`);
	}
	const order = (command: Command) => controller.command(command);
	const settings: Settings = {
		spec: { ...state.spec, min: 3, max: 12, twoStepRestart: definition.twoStepRestart },
		suspended: null,
		agentUrl: "https://muster.test",
		credentials: null,
		allow: [],
		fromEnvironment: false,
	};
	void order({ do: "configure", account: "a", settings });
	const ready = (now: State) => [...now.proxies.values()].filter(({ phase }) => phase.at === "ready");
	return { until, order, ready, silent, fault: world.fault, published: () => published, rows, clock };
}

describe.concurrent.each(Object.entries(TERMS) as [CloudName, Terms][])("at %s, while all creates hang", (name, terms) => {
	it("an unhealthy proxy leaves the list in time, an order can be read in 3 s, and what was drained is deleted", async () => {
		const { until, order, ready, silent, fault, published, rows, clock } = poolAt(name, terms);
		await until("three are ready", 120, (state) => ready(state).length === 3);
		// For longer than anything below may take.
		fault({ operation: "create", delayMs: 600_000, times: 100 });

		const orderedAt = clock.now();
		let readAt: number | null = null;
		void order({ do: "scale", min: 9, max: 12 }).then(() => {
			readAt = clock.now();
		});
		await until("creates hang, and the order is read", 10, (state) => {
			const sent = [...state.proxies.values()].filter(({ phase }) => phase.at === "launching" && phase.sentAt !== null);
			return sent.length > 0 && readAt !== null;
		});
		expect((readAt ?? 0) - orderedAt).toBeLessThanOrEqual(3000);
		expect(published()?.summary.min).toBe(9);

		let sick = "";
		let sickId = "";
		let doomed = "";
		await until("some are ready", 1, (state) => {
			const [first, second] = ready(state);
			sick = first?.address ?? "";
			sickId = first?.id ?? "";
			doomed = second?.id ?? "";
			return second !== undefined;
		});
		silent.add(sick);
		const silentAt = clock.now();
		await until("it leaves the list", 90, (state) => ready(state).every(({ address }) => address !== sick));
		await until("its leaving is published", 10, () => rows.get(sickId) === "unready");
		expect(clock.now() - silentAt).toBeLessThanOrEqual(90_000);

		void order({ do: "destroy", id: doomed });
		await until("the cloud has accepted the delete of its VM", 30, ({ proxies }) => {
			const phase = proxies.get(doomed)?.phase;
			return phase === undefined || (phase.at === "deleting" && phase.acceptedAt !== null);
		});
	}, 60_000);
});
