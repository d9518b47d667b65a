import { appendFileSync } from "node:fs";
import { onTestFinished } from "vitest";
import type { Failure } from "../../src/core/model/failure.ts";
import type { CloudName } from "../../src/core/model/state.ts";
import {
	type CreateRequest,
	type Provider,
	type ProviderContext,
	type ProviderDefinition,
	ProviderError,
} from "../../src/providers/base/provider.ts";
import { ManualClock } from "./clock.ts";
import { type CloudOptions, LocalCloud } from "./cloud.ts";
import type { Terms, Things } from "./contract-clouds.ts";
import { isBroken } from "./dialect.ts";
import type { JournalEntry } from "./journal.ts";
import { stillness } from "./stillness.ts";

/** A driver under contract, at a local cloud of its own whose time goes by only while a call is waited for. */

const STEP_MS = 100;
/** Longer than anything that a driver waits for at a cloud. */
const PATIENCE_MS = 600_000;
export const BOOT_MS = 2000;
export const DEPLOYMENT = "abcdefghij";

let accounts = 0;

export function underContract(name: CloudName, definition: ProviderDefinition, terms: Terms, options: CloudOptions = {}) {
	const clock = new ManualClock();
	const cloud = new LocalCloud({ clock, bootMs: BOOT_MS, ...options });
	const base = `http://cloud.test/${name}`;
	const journal = () =>
		cloud.journal
			.text()
			.split("\n")
			.filter((line) => line !== "")
			.map((line) => JSON.parse(line) as JournalEntry);
	// For comparing what was said with the cloud's published schema: CONTRACT_JOURNAL names a file that all calls are added to.
	const { CONTRACT_JOURNAL } = process.env;
	if (CONTRACT_JOURNAL !== undefined) {
		const lines = () => journal().filter(({ prescribed }) => !prescribed);
		onTestFinished(() =>
			appendFileSync(
				CONTRACT_JOURNAL,
				lines()
					.map((line) => `${JSON.stringify(line)}\n`)
					.join(""),
			),
		);
	}
	const fetchLocally = (async (input: string, init: RequestInit) => {
		const answer = await cloud.fetch(new Request(input, init));
		if (isBroken(answer)) throw new TypeError("the connection was cut");
		return answer;
	}) as typeof fetch;
	const settingsOf = (settings: Terms["settings"]) => ({ api_url: base, ...terms.addresses?.(base), ...settings });

	// Each test has an account of its own: drivers remember what they set up in one.
	accounts += 1;
	const own = Object.fromEntries(
		Object.entries(terms.settings).map(([key, text]) => [key, text.replace("contract", `contract${accounts}`)]),
	);
	const open = (more: Partial<ProviderContext> & { settings?: Terms["settings"] } = {}): Provider => {
		const { settings = own, ...rest } = more;
		const context: ProviderContext = {
			fetch: fetchLocally,
			now: () => clock.now(),
			countCall: () => undefined,
			observeRate: () => undefined,
			wait: (ms) => new Promise((resolve) => void clock.after(ms, resolve)),
			...rest,
		};
		return definition.create(definition.schema.parse(settingsOf(settings)), context);
	};

	/** Waits for a call, while the cloud's time goes by. */
	async function done<T>(call: Promise<T>): Promise<T> {
		let isOver = false;
		const settled = call.finally(() => {
			isOver = true;
		});
		settled.catch(() => undefined); // told by the await below
		for (const end = clock.now() + PATIENCE_MS; clock.now() < end; clock.advance(STEP_MS)) {
			await stillness();
			if (isOver) break;
		}
		return settled;
	}

	async function failureOf(call: Promise<unknown>): Promise<Failure> {
		try {
			await done(call);
		} catch (error) {
			if (error instanceof ProviderError) return error.failure;
			throw error;
		}
		throw new Error("it did not fail");
	}

	return {
		cloud,
		clock,
		open,
		done,
		failureOf,
		/** The settings of this test's account, secrets among them. */
		settings: own,
		/** Sets a fault on the next call of that operation. */
		fault(fault: Readonly<Record<string, unknown>>) {
			const nonsense = cloud.faults.add({ provider: name, ...fault });
			if (nonsense !== null) throw new Error(nonsense);
		},
		/** Every call so far. */
		journal,
		/** What the one account has besides VMs. */
		things: (): Things => Object.values(cloud.fleet.collections)[0] ?? {},
	};
}

/** A request for one VM; `n` tells it from others. */
export function wanted(n = 1, more: Partial<CreateRequest> = {}): CreateRequest {
	const intent = `intent${String(n).padStart(10, "0")}`;
	return {
		name: `muster-${DEPLOYMENT}-${intent}`,
		tags: { deployment: DEPLOYMENT, pool: "k3j2h1g0", intent },
		userData: "#cloud-config\nwrite_files: [{path: /etc/muster, content: a-very-secret-boot-token-0123456789}]\n",
		allow: [],
		port: 8899,
		...more,
	};
}

/** What finds the VM of that request. */
export function lookUp({ name, tags }: CreateRequest, vm: string | null = null) {
	return { vm, name, tags: { deployment: tags.deployment, intent: tags.intent } };
}
