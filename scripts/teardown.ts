/**
 * `AUTH_KEY=… npm run teardown -- https://muster.example.workers.dev`: stops every pool of a deployment and waits until none of its VMs
 * exists any more, so that `npx wrangler delete` leaves nothing behind that costs money. Deletes nothing itself, and may be repeated.
 */
import { setTimeout as pause } from "node:timers/promises";
import { isInsecureOrigin } from "../src/settings/kinds.ts";
import { leftBehind, type Providers, reasonsIn } from "./leftovers.ts";

const LOOK_MS = 5_000;
/** A drain takes ten minutes at the most, and a cloud its time. */
const PATIENCE_MS = 30 * 60_000;
const CALL_MS = 30_000;
const TRIES = 3;
/** Pools publish what they have; one answer may be a moment old. */
const LOOKS_TO_BELIEVE = 2;

function giveUp(sentence: string): never {
	console.error(sentence);
	process.exit(1);
}

const origin = URL.parse(process.argv[2] ?? "")?.origin;
if (origin === undefined || !/^https?:/.test(origin)) giveUp("Name the deployment: npm run teardown -- https://muster.example.workers.dev");
if (isInsecureOrigin(origin)) giveUp(`${origin} is not https: the key would travel in clear.`);
const key = process.env.AUTH_KEY ?? "";

/** One call of the API; throws what is wrong, without the key. */
async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
	const response = await fetch(origin + path, {
		method,
		headers: { ...(key === "" ? {} : { "x-auth-key": key }), "content-type": "application/json" },
		...(body === undefined ? {} : { body: JSON.stringify(body) }),
		signal: AbortSignal.timeout(CALL_MS),
		// Wherever it led to, the key would be sent there too.
		redirect: "manual",
	});
	const text = await response.text();
	if (response.status === 401) throw new Error(`${origin} refuses the key: set AUTH_KEY to the deployment's admin key`);
	if (!response.ok) throw new Error(`${method} ${path}: HTTP ${response.status} ${text.slice(0, 200)}`);
	return (text === "" ? undefined : JSON.parse(text)) as T;
}

/** A pool, or its database, may not answer for a moment. What is asked here may be asked again. */
async function persistently<T>(ask: () => Promise<T>): Promise<T> {
	for (let tries = 1; ; tries++) {
		try {
			return await ask();
		} catch (error) {
			if (tries === TRIES) throw error;
			await pause(LOOK_MS);
		}
	}
}

async function stopAll(): Promise<void> {
	const endpoints = await call<readonly string[]>("GET", "/v1.1/endpoints");
	for (const endpoint of endpoints) {
		await persistently(() => call("POST", `/v1.1/endpoints/${encodeURIComponent(endpoint)}/state`, { action: "stop" }));
		console.log(`stopped ${endpoint}`);
	}
	if (endpoints.length === 0) console.log("There is no pool to stop.");
}

/** What is left, once no VM exists; null when it took too long, with what is known of the rest. */
async function emptied(): Promise<Providers | null> {
	const deadline = Date.now() + PATIENCE_MS;
	let [last, looks, seen]: [number, number, Providers | null] = [-1, 0, null];
	while (Date.now() < deadline) {
		try {
			seen = await call<Providers>("GET", "/providers");
			if (seen.vms !== last) console.log(seen.vms === 1 ? "1 VM exists" : `${seen.vms} VMs exist`);
			last = seen.vms;
			looks = last === 0 ? looks + 1 : 0;
			if (looks >= LOOKS_TO_BELIEVE) return seen;
		} catch (error) {
			// It may be the network's fault for a moment; the next look tells.
			console.error((error as Error).message);
		}
		await pause(LOOK_MS);
	}
	for (const reason of reasonsIn(seen)) console.error(reason);
	return null;
}

const inUse = ({ providers, removing = [] }: Providers) => {
	const listed = Object.keys(providers).filter((name) => Object.keys(providers[name]?.instances ?? {}).length > 0);
	return [...new Set([...listed, ...removing.map(({ provider }) => provider)])];
};

try {
	await stopAll();
} catch (error) {
	giveUp(`Not every pool was stopped: ${(error as Error).message}`);
}
const left = await emptied();
if (left === null)
	giveUp(
		"VMs still exist, and are billed. Run this again, or delete them at their clouds (each carries the tag 'muster') before you delete the Worker.",
	);
console.log("No VM exists any more.");
if (left.billed > 0)
	console.log(
		`What ${left.billed === 1 ? "1 VM" : `${left.billed} VMs`} had begun, a minute or an hour, is charged to its end, and no more.`,
	);
console.log(`What is left costs nothing, and goes by hand:\n\n${leftBehind(origin, inUse(left))}`);
