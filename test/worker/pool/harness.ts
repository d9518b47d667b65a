import { env, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import type { Phase, State } from "../../../src/core/model/state.ts";
import { enterPool } from "../../../src/d1/directory.ts";
import type { Env } from "../../../src/rpc/env.ts";
import type { PoolRpc } from "../../../src/rpc/pool.ts";

const bindings = env as unknown as Env;

/** What the tests of a pool look at and touch inside of it. */
interface Inside {
	state: State;
	now: () => number;
	env: Env;
	armedAt: number | null;
	readonly isPassing: boolean;
	callsMade: number;
	commit(before: State, after: State, wakeAt: number | null): void;
	/** Brings the pool in line with its settings. */
	configure(): void;
	alarm(): Promise<void>;
}

/** The object's own fields, and its controller's. */
interface Instance {
	now: () => number;
	env: Env;
	live: {
		readonly controller: Pick<Inside, "state" | "armedAt" | "isPassing" | "commit" | "configure">;
		readonly outside: Pick<Inside, "callsMade">;
	} | null;
	alarm(): Promise<void>;
}

function insideOf(instance: Instance): Inside {
	const live = () => {
		if (instance.live === null) throw new Error("the pool is null");
		return instance.live;
	};
	return {
		get state() {
			return live().controller.state;
		},
		get now() {
			return instance.now;
		},
		set now(now) {
			instance.now = now;
		},
		get env() {
			return instance.env;
		},
		set env(env) {
			instance.env = env;
		},
		get armedAt() {
			return live().controller.armedAt;
		},
		set armedAt(at) {
			live().controller.armedAt = at;
		},
		get isPassing() {
			return live().controller.isPassing;
		},
		get callsMade() {
			return live().outside.callsMade;
		},
		set callsMade(count) {
			live().outside.callsMade = count;
		},
		get commit() {
			const { controller } = live();
			return controller.commit.bind(controller);
		},
		set commit(commit) {
			live().controller.commit = commit;
		},
		get configure() {
			return () => live().controller.configure();
		},
		set configure(configure) {
			live().controller.configure = configure;
		},
		alarm: () => instance.alarm(),
	};
}

let made = 0;

/** A pool of `digitalocean/default`'s account, with a deployment of its own, so that each test has an empty cloud. */
export class PoolUnderTest {
	readonly object: string;
	stub: DurableObjectStub<PoolRpc & Rpc.DurableObjectBranded>;
	readonly deployment: string;

	/** A pool that is yet to be started, or one that is there. */
	constructor(object = bindings.POOL.newUniqueId().toString(), deployment = `test${++made}${Date.now().toString(36)}`) {
		this.object = object;
		this.deployment = deployment;
		this.stub = bindings.POOL.get(bindings.POOL.idFromString(object));
	}

	/** Enters it into the directory and starts it; the first alarm has not run. */
	async start(): Promise<this> {
		const initial = { object: this.object, provider: "digitalocean", name: "default", incarnation: Date.now() } as const;
		await bindings.DB.prepare("DELETE FROM names").run();
		await bindings.DB.prepare("UPDATE pools SET removed_at = 1").run();
		await enterPool(bindings.DB, { ...initial, endpoint: "digitalocean-default", source: "environment" });
		const facts = { agentUrl: "https://muster.test", rolling: null, proxies: 0 };
		await this.stub.start({ ...initial, deployment: this.deployment, source: "environment", facts });
		return this;
	}

	inside<T>(look: (pool: Inside, ctx: DurableObjectState) => T | Promise<T>): Promise<T> {
		return runInDurableObject(this.stub, (instance, ctx) => look(insideOf(instance as unknown as Instance), ctx));
	}

	/** Crashes the object: its memory is gone, what it awaited never returns. */
	async crash(): Promise<void> {
		await runInDurableObject(this.stub, (_instance, ctx) => ctx.abort("a crash of the test's")).catch(() => undefined);
		this.stub = bindings.POOL.get(bindings.POOL.idFromString(this.object));
	}

	/** From now on the pool's clock stands still at this instant, until it is moved. Crashes give it the real one back. */
	async setClock(at: number): Promise<void> {
		this.clock = at;
		await this.inside((pool) => {
			pool.now = () => at;
		});
	}
	private clock = 0;

	/** Moves the clock on in steps, with a pass at each. */
	async advance(seconds: number, stepSeconds: number, each?: () => Promise<void>): Promise<void> {
		if (this.clock === 0) this.clock = Date.now();
		for (let passed = 0; passed < seconds; passed += stepSeconds) {
			await this.setClock(this.clock + stepSeconds * 1000);
			await this.settle();
			await each?.();
		}
	}

	/** Moves the clock on until so many proxies are ready; fails after ten minutes of it. */
	async advanceUntilReady(count: number): Promise<void> {
		for (let passed = 0; passed < 600; passed += 10) {
			await this.advance(10, 10, () => this.bootAgents());
			if ((await this.phases()).filter((at) => at === "ready").length === count) return;
		}
		throw new Error(`not within ten minutes: ${count} ready`);
	}

	/** Runs passes until none is due now. The object's own alarm may have begun one, which is waited for: a second at a time is none. */
	async settle(): Promise<void> {
		for (let passes = 0; passes < 50; passes++) {
			await this.inside((_pool, ctx) => ctx.storage.setAlarm(Date.now() + 3_600_000));
			for (let waited = 0; await this.inside((pool) => pool.isPassing); waited++) {
				if (waited > 2_000) throw new Error("a pass goes on and on");
				await new Promise((resolve) => setTimeout(resolve, 5));
			}
			await this.inside((pool) => pool.alarm());
			if (await this.inside((pool) => pool.armedAt === null || pool.armedAt > pool.now())) return;
		}
		throw new Error("the pool finds no rest");
	}

	state(): Promise<State> {
		return this.inside((pool) => pool.state);
	}

	async phases(): Promise<readonly Phase["at"][]> {
		const { proxies } = await this.state();
		return [...proxies.values()].map((proxy) => proxy.phase.at);
	}

	/** Lets the alarm run until `done`, or fails after some time, which a busy machine may need. */
	async until(done: (state: State) => boolean | Promise<boolean>, what: string): Promise<State> {
		const deadline = Date.now() + 30_000;
		for (;;) {
			const state = await this.state();
			if (await done(state)) return state;
			if (Date.now() > deadline) throw new Error(`not within 30 s: ${what}`);
			await runDurableObjectAlarm(this.stub);
			await new Promise((resolve) => setTimeout(resolve, 5));
		}
	}

	/** Its VMs at the cloud. */
	async vms(): Promise<readonly { id: string; name: string; ip: string | null; state: string }[]> {
		const all = (await (await fetch("http://cloud.test/_local/vms")).json()) as {
			id: string;
			name: string;
			ip: string | null;
			state: string;
		}[];
		return all.filter((vm) => vm.name.includes(this.deployment));
	}

	/** Boots the agents of all VMs that have none yet: they register, and answer probes. */
	async bootAgents(): Promise<void> {
		const { proxies } = await this.state();
		for (const vm of await this.vms()) {
			// Another pool of the deployment may have VMs as well.
			if (vm.ip === null || this.keys.has(vm.id) || !proxies.has(vm.name.split("-").at(-1) ?? "")) continue;
			const { token } = await agentConfig(vm.id);
			const key = `${token.split(".").slice(0, 2).join(".")}.${vm.id.padEnd(43, "k")}`;
			const answer = await this.stub.register({ token, key, address: vm.ip });
			if (!answer.ok) throw new Error(`the registration was refused: ${answer.message}`);
			this.keys.set(vm.id, key);
			await setAgent(vm.ip, { keyHash: sha256(key) });
		}
	}
	readonly keys = new Map<string, string>();

	/** Every agent reports, as the real ones do by themselves. */
	async heartbeats(): Promise<void> {
		for (const key of this.keys.values()) {
			await this.stub.heartbeat({ key, address: "", body: { active: 0, metrics: {}, sessions: [], credentials: 1 } });
		}
		await this.settle();
	}

	/** Goes on until so many proxies are ready. */
	async untilReady(count: number): Promise<State> {
		return this.until(async (state) => {
			await this.bootAgents();
			return [...state.proxies.values()].filter((proxy) => proxy.phase.at === "ready").length === count;
		}, `${count} ready`);
	}

	/** Every call that the cloud was asked for by this deployment. */
	async calls(method: string, path: RegExp): Promise<number> {
		// Not text(): the runtime warns of newline-delimited JSON.
		const text = new TextDecoder().decode(await (await fetch("http://cloud.test/_local/journal")).arrayBuffer());
		const lines = text.split("\n").filter((line) => line !== "");
		return lines
			.map((line) => JSON.parse(line) as { method: string; url: string })
			.filter((call) => call.method === method && path.test(call.url)).length;
	}
}

export async function agentConfig(vm: string): Promise<{ token: string }> {
	const text = await (await fetch(`http://cloud.test/_local/vms/${vm}/user-data`)).text();
	const userData = JSON.parse(text.slice(text.indexOf("\n"))) as { write_files: { path: string; content: string }[] };
	const file = userData.write_files.find(({ path }) => path === "/etc/muster/agent.json");
	if (file === undefined) throw new Error("the user data holds no agent.json");
	return JSON.parse(gunzipSync(Buffer.from(file.content, "base64")).toString()) as { token: string };
}

export async function setAgent(address: string, state: { keyHash: string; active?: number; isSilent?: boolean }): Promise<void> {
	const made = await fetch(`http://agents.test/${address}`, { method: "PUT", body: JSON.stringify(state) });
	if (!made.ok) throw new Error(`no agent can be at ${address}: ${await made.text()}`);
}

export async function fault(fault: Record<string, unknown>): Promise<void> {
	const answer = await fetch("http://cloud.test/_local/faults", {
		method: "POST",
		body: JSON.stringify({ provider: "digitalocean", ...fault }),
	});
	if (!answer.ok) throw new Error(await answer.text());
}

/** Empties the register as well: what a test makes is nothing that the next one has lost. */
export async function resetCloud(): Promise<void> {
	await runInDurableObject(bindings.POOL.getByName("register"), async (_, { storage }) => storage.deleteAll());
	await fetch("http://cloud.test/_local/faults", { method: "DELETE" });
	await fetch("http://cloud.test/_local/journal", { method: "DELETE" });
}

export function sha256(text: string): string {
	return createHash("sha256").update(text).digest("hex");
}

export { bindings };
