import type { State } from "../../src/core/model/state.ts";
import { describe } from "./actions.ts";
import type { Host } from "./host.ts";
import type { Scenario } from "./scenario.ts";
import { restlessness } from "./watch-demand.ts";
import type { World } from "./world.ts";

/** What keeps a pool from being as it should: nothing, once the faults are over long enough. A sentence each. */
export function convergenceOf(world: World, host: Host): readonly string[] {
	const { object, state } = host;
	const machines = world.machinesOf(host);
	const row = world.database.pools.get(object);
	const wrong: string[] = [];
	const message = (text: string) => wrong.push(`${object}: ${text}`);
	if (state === null) {
		if (machines.length > 0) message(`is forgotten, yet ${machines.map(({ vm }) => vm)} exist`);
		if (row !== undefined && host.isForgotten) message("is forgotten, yet in the directory");
		return wrong;
	}
	// The directory's answer was lost, and then the alarm: what is left is an object without VMs that nobody wakes.
	if (state.leaving && row === undefined && state.proxies.size === 0 && machines.length === 0) return wrong;
	if (state.run === "removing") message("is not forgotten");
	if (state.breach !== null) message(`stopped itself: ${state.breach}`);
	if (lacksRoom(world, host)) return wrong;
	const target = targetOf(state);
	const restless = state.run === "running" ? restlessness(host, host.current()?.state ?? state) : null;
	if (restless !== null) message(restless);
	const proxies = [...state.proxies.values()];
	const unready = proxies.filter(({ phase }) => phase.at !== "ready");
	if (unready.length > 0) message(`not all are ready: ${unready.map(describe).join(" ")}`);
	if (proxies.length !== target) message(`${proxies.length} proxies where ${target} are wanted`);
	if (state.orphans.size > 0) message(`orphans ${[...state.orphans.keys()]}`);
	const rolled = world.watch.replacements.rolledOf(host);
	const spared = proxies.filter(({ id, isAdopted }) => rolled.has(id) && !isAdopted);
	// Who replaces first needs room for one more.
	const hasRoom = roomOf(state, world.scenario) > proxies.length;
	if (spared.length > 0 && hasRoom && state.run === "running")
		message(`not all are replaced as ordered: ${spared.map(describe).join(" ")}`);
	const own = new Set(proxies.map(({ phase }) => ("vm" in phase ? phase.vm : null)));
	const leaked = machines.filter(({ vm }) => !own.has(vm));
	if (leaked.length > 0) message(`${leaked.map(({ vm, tags }) => `${vm} of ${tags.intent}`)} leaked`);
	const admits = world.cloud.firewalls.get(state.pool.deployment);
	// What others made is not behind it where the cloud has none for the pool yet.
	const hasMade = proxies.some(({ isAdopted }) => !isAdopted);
	if (hasMade && JSON.stringify(admits) !== JSON.stringify(state.allow)) message(`its firewall admits ${admits}, not ${state.allow}`);
	for (const { id, phase, address, keyHash } of proxies) {
		const machine = "vm" in phase && phase.vm !== null ? world.cloud.machines.get(phase.vm) : undefined;
		const agent = machine === undefined ? undefined : world.agents.byMachine.get(machine.vm);
		if (machine === undefined || machine.goneAt !== null || machine.power === "off") message(`${id} has no VM that runs`);
		else if (machine.address !== address) message(`${id} is at ${machine.address}, not at ${address}`);
		else if (machine.isPlain) continue;
		else if (agent === undefined || !agent.isServing || agent.key !== keyHash?.slice(1)) message(`${id} does not serve`);
	}
	for (const [name, breaker] of Object.entries(state.breakers)) {
		// The last launches may well have failed: the next ones, whenever they are wanted, open these breakers.
		const isOpen = breaker.failures > 0 && name !== "launch" && name !== "boots";
		if (isOpen) message(`breaker ${name} is open: ${breaker.why}`);
	}
	// 13: D1 equals the pool's own storage.
	if (row === undefined) message("is not in the directory");
	else {
		const ready = [...row.parts.values()].flat();
		const isServing = state.run === "running" || state.run === "paused";
		const backends = state.spec.statics.map(({ address, port }) => `${address}:${port}`);
		for (const id of backends) {
			if (isServing !== ready.some(([listed]) => listed === id))
				message(`the static backend ${id} is ${isServing ? "not listed" : "listed"}`);
			if (row.proxies.get(id)?.phase !== (isServing ? "ready" : "unready")) message(`D1 shows the static backend ${id} otherwise`);
		}
		const listed = new Map(
			ready.filter(([id]) => !backends.includes(id)).map(([id, address, credentials]) => [id, { address, credentials }]),
		);
		for (const proxy of proxies) {
			const entry = listed.get(proxy.id);
			if (entry === undefined || entry.address !== proxy.address || entry.credentials !== proxy.credentials)
				message(`D1 does not list ${proxy.id} as it is`);
			const shown = row.proxies.get(proxy.id);
			if (shown?.phase !== proxy.phase.at || shown.address !== proxy.address || shown.credentials !== proxy.credentials)
				message(`D1 shows ${proxy.id} otherwise`);
		}
		if (listed.size !== proxies.length || row.proxies.size !== proxies.length + backends.length)
			message("D1 shows more or less than there is");
		if (row.lastLogSeq !== state.logSeq) message(`D1 has the log up to ${row.lastLogSeq} of ${state.logSeq}`);
		if (
			JSON.stringify({ ...row.summary, displayName: 0, settings: 0 }) !==
			JSON.stringify({ displayName: 0, settings: 0, ...world.core.summaryOf(state) })
		)
			message("D1 shows another summary");
	}
	return wrong;
}

const targetOf = ({ run, spec, target }: State) => (run !== "running" ? 0 : spec.rules.length === 0 ? spec.min : target);

/** Replacing takes as many more. */
const SURGE = 2;

/** Its places have not room for as many as it wants, and their successors: it goes on asking for one in a place that is sold out, now and then. */
export function lacksRoom({ scenario }: World, { state }: Host): boolean {
	return state !== null && targetOf(state) + SURGE > roomOf(state, scenario);
}

/** How many VMs its places may have; what stays sold out has room for none. */
function roomOf({ spec }: State, { soldOut }: Scenario): number {
	if (spec.maxPerPlace === null) return Number.POSITIVE_INFINITY;
	const isOut = (region: string) => soldOut.some((out) => out.region === region && out.to === Number.POSITIVE_INFINITY);
	return spec.maxPerPlace * spec.places.filter(({ region }) => !isOut(region)).length;
}
