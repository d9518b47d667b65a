import type { Proxy } from "../../src/core/model/state.ts";
import type { Machine } from "./cloud.ts";
import { DEMANDS, type DemandAction, loadOf, rulesSetup, textOf } from "./demand.ts";
import type { Host, HostConfig } from "./host.ts";
import { Random } from "./random.ts";
import { type Action, LASTING, type Lasting, MINUTE, SECOND } from "./scenario.ts";
import type { World } from "./world.ts";

const MOST_SKEW_MS = 30 * MINUTE;
/** More than any pool publishes in a run. */
const MOST_VERSIONS_AHEAD = 1_000_000;

/** Carries out one line of a schedule; one that finds nothing to act on does nothing. */
export function act(world: World, action: Action): void {
	world.note(
		() => `${action.what} ${JSON.stringify({ forSeconds: Math.round(action.forMs / SECOND), p: action.p, choice: action.choice })}`,
	);
	const alive = world.hosts.filter((host) => host.isAlive);
	const host = alive[action.pool % Math.max(1, alive.length)];
	if ((LASTING as readonly string[]).includes(action.what)) {
		if (action.what === "badSetting") {
			badSetting(world, host, action);
			return;
		}
		world.faults.begin(action);
		if (action.what === "wrongUrl") world.faults.count("wrongUrl");
		return;
	}
	if (host === undefined) return;
	if ((DEMANDS as readonly string[]).includes(action.what)) {
		demand(world, host, action);
		return;
	}
	switch (action.what as Exclude<Action["what"], Lasting | DemandAction>) {
		case "evicted":
			world.faults.count("evicted");
			host.evict(action.choice < 0.8);
			return;
		case "superseded":
			world.faults.count("superseded");
			host.supersede();
			return;
		case "clockJump":
			jump(world, host, action);
			return;
		case "vmDeleted":
		case "vmStopped":
		case "addressTaken":
		case "agentDies":
		case "agentCrashes":
		case "lineBroken":
		case "lineSilent":
		case "lineDoubled":
			strikeMachine(world, host, action);
			return;
		case "forgedRegistration":
		case "replayedRegistration":
			forge(world, host, action);
			return;
		case "untaggedVm":
			world.faults.count("untaggedVm");
			world.cloud.make("someone-elses", { deployment: null, pool: null, intent: null }, null, { isBait: true });
			return;
		case "orphanVm":
			// Nobody makes VMs for a pool that is about to be forgotten.
			if (host.state?.run === "removing" || host.config === null) return;
			world.faults.count("orphanVm");
			world.cloud.make(
				"orphan",
				{ deployment: host.deployment, pool: host.tag, intent: action.choice < 0.5 ? null : "unheardof" },
				null,
				{},
			);
			return;
		case "databaseLost":
			world.faults.count("databaseLost");
			world.loseDatabase(host, action.choice);
			return;
		case "databaseAhead":
			world.faults.count("databaseAhead");
			world.database.runAhead(host.object, 1 + Math.floor(action.choice * MOST_VERSIONS_AHEAD));
			return;
		case "priceChanges":
			world.faults.count("priceChanges");
			world.cloud.changePrices(action.choice < 0.1 ? 0 : action.choice < 0.5 ? 0.5 + action.choice : 2 * action.choice);
			return;
		default:
			order(world, host, action);
			return;
	}
}

/** Clients come and go, rules change. Pools without rules have neither. */
function demand(world: World, host: Host, action: Action): void {
	if (world.setupOf(host).demand === null) return;
	world.watch.count(action.what);
	switch (action.what as DemandAction) {
		case "load":
			world.crowd.load(host, loadOf(action.choice), action.forMs);
			return;
		case "burst":
			world.crowd.burst(host, action);
			return;
		case "postersAway":
			world.crowd.postersAway(action.forMs);
			return;
		case "newRules": {
			if (host.config === null) return;
			const { settings } = host.config;
			const rules = action.choice < 0.15 ? [] : rulesSetup(new Random(`rules ${action.choice}`)).map(textOf);
			host.config = { ...host.config, settings: { ...settings, spec: { ...settings.spec, rules } } };
			return;
		}
		default:
	}
}

function order(world: World, host: Host, action: Action): void {
	const instance = host.current();
	const state = host.state;
	if (instance === null || state === null) return;
	const proxies = [...state.proxies.values()];
	const chosen = proxies[Math.floor(action.choice * proxies.length)];
	switch (action.what) {
		case "scale": {
			const min = Math.floor(action.choice * 8) + (action.choice > 0.97 ? 12 : 0);
			const max = min + Math.floor((action.choice * 64) % 4);
			// Bounds that are PATCHed are those of an endpoint's configuration.
			if (host.source === "api" && host.config !== null) host.config = withBounds(host.config, min, max);
			instance.command({ do: "scale", min, max });
			break;
		}
		case "destroy":
		case "restart":
			if (chosen !== undefined) instance.command({ do: action.what, id: chosen.id });
			break;
		case "roll":
		case "endRoll":
			instance.command({ do: "roll", isOn: action.what === "roll" });
			break;
		case "orderCredentials":
			world.credentials.order(host, action);
			break;
		case "drop": {
			const agent = world.agents.byMachine.get(chosen !== undefined && "vm" in chosen.phase ? (chosen.phase.vm ?? "") : "");
			const [session] = agent?.sessions ?? [];
			if (agent === undefined || session === undefined) break;
			instance.command({ do: "drop", session });
			world.watch.dropping(host, agent, session);
			break;
		}
		case "pause":
		case "stop":
		case "start":
			if (state.run === "removing") break;
			instance.command({ do: "run", run: action.what === "pause" ? "paused" : action.what === "stop" ? "stopped" : "running" });
			break;
		case "reconfigure":
		case "newCredentials": {
			if (host.config === null) break;
			const { settings } = host.config;
			const ageLimitSeconds = action.choice < 0.3 ? 3600 : 0;
			const password = String(Math.floor(action.choice * 1000));
			host.config =
				action.what === "reconfigure"
					? {
							account: `account ${password}`,
							settings: { ...settings, spec: { ...settings.spec, ageLimitSeconds } },
						}
					: { ...host.config, settings: { ...settings, credentials: action.choice < 0.2 ? null : { username: "user", password } } };
			if (host.source === "api") {
				// Posted: it holds at once, bounds and all.
				if (action.what === "reconfigure")
					host.config = withBounds(host.config, Math.floor(action.choice * 5), Math.floor(action.choice * 7));
				instance.learn(world.agentUrl);
			}
			if (action.choice > 0.2) admitOnly(world, host.deployment, action.choice > 0.7 ? [] : [`203.0.113.${Number(password) % 250}/32`]);
			break;
		}
		case "newBounds":
			newBounds(world, host, action);
			break;
		case "adopt": {
			// A VM that somebody made; now and then one that is not there, or another pool's.
			const theirs = world.cloud.make("theirs", { deployment: null, pool: null, intent: null }, null, { isBait: true, isPlain: true });
			const any = [...world.cloud.machines.values()][Math.floor(action.choice * world.cloud.machines.size)] ?? theirs;
			const machine = action.choice > 0.85 ? any : theirs;
			world.clock.after(MINUTE, () => {
				host.current()?.command({ do: "adopt", vm: machine.vm });
				// Confirmed too early, in time or never.
				const confirm = () => host.current()?.command({ do: "confirm", address: machine.address });
				if (action.choice < 0.7) world.clock.after(action.choice * 5 * MINUTE, confirm);
			});
			break;
		}
		case "release":
			if (chosen !== undefined) instance.command({ do: "release", id: chosen.id });
			break;
		case "removeKeeping":
			if (host.source !== "api" || world.database.isOut) break;
			world.database.remove(host.object);
			instance.command({ do: "run", run: "removing", keep: true });
			break;
		case "deletePool":
			deletePool(world, host);
			break;
		case "recreatePool": {
			if (!deletePool(world, host)) break;
			// Its name may be that of one that the directory has lost, and that comes back.
			if (
				world.hosts.some((other) => other !== host && other.name === host.name && other.deployment === host.deployment && isStaying(other))
			)
				break;
			if (host.source === "environment" && action.choice < 0.5) {
				// The variable comes back before the pool has gone.
				world.clock.after(action.choice * 10 * MINUTE, () => {
					host.config = { account: "account", settings: world.settingsOf(world.setupOf(host), "environment") };
				});
			} else if (host.source === "api") world.makePool(world.setupOf(host), "api");
			break;
		}
		default:
	}
}

/** Whom proxies admit is one setting of a deployment: all its pools hear of it. */
function admitOnly(world: World, deployment: string, allow: readonly string[]): void {
	world.allowed.set(deployment, allow);
	for (const host of world.hosts) {
		if (host.deployment !== deployment || host.config === null) continue;
		host.config = { ...host.config, settings: { ...host.config.settings, allow } };
	}
}

/** Where there are bounds on cost, others: for this pool, or for its deployment. */
function newBounds(world: World, host: Host, { choice }: Action): void {
	const bound = Math.round(Math.floor(choice * 100) % 9) * world.scenario.hourlyPrice;
	const isMended = world.isMended;
	if (choice < 0.5 && world.budgets.has(host.deployment) && !isMended) world.budgets.set(host.deployment, bound);
	else if (host.config !== null && host.config.settings.spec.maxHourlyCost !== null && !isMended) {
		const { settings } = host.config;
		host.config = { ...host.config, settings: { ...settings, spec: { ...settings.spec, maxHourlyCost: bound } } };
	}
}

const isStaying = ({ state }: Host) => state !== null && state.run !== "removing";

/** Whether its name is free from then on; an endpoint's stays while D1 is out, though its pool is being emptied already. */
function deletePool(world: World, host: Host): boolean {
	if (host.source === "environment") {
		host.config = null;
		return true;
	}
	const row = world.database.pools.get(host.object);
	// Deleted before: its name may be another pool's by now.
	if (row === undefined || row.removedAt !== null) return false;
	host.current()?.command({ do: "run", run: "removing" });
	if (world.database.isOut) return false;
	world.database.remove(host.object);
	return true;
}

function withBounds(config: HostConfig, min: number, max: number): HostConfig {
	const { settings } = config;
	return { ...config, settings: { ...settings, spec: { ...settings.spec, min, max } } };
}

/** A setting that cannot be read suspends the pool until it is mended. */
function badSetting(world: World, host: Host | undefined, action: Action): void {
	if (host?.config == null) return;
	world.faults.count("badSetting");
	host.config = { ...host.config, settings: { ...host.config.settings, suspended: "the size is not a size" } };
	world.clock.after(action.forMs, () => {
		if (host.config !== null) host.config = { ...host.config, settings: { ...host.config.settings, suspended: null } };
	});
}

/** Mostly by seconds; now and then by up to half an hour, in all, of which nothing that a clock decides is right for a while. */
function jump(world: World, host: Host, action: Action): void {
	world.faults.count("clockJump");
	const isLarge = action.choice > 0.8;
	const wanted = isLarge ? (action.choice - 0.88) * 250 * MINUTE : (action.choice - 0.4) * 20 * SECOND;
	const skewMs = Math.max(-MOST_SKEW_MS, Math.min(MOST_SKEW_MS, Math.round(host.skewMs + wanted)));
	world.watch.jumped(isLarge);
	host.jump(skewMs - host.skewMs);
}

function strikeMachine(world: World, host: Host, action: Action): void {
	const machines = world.machinesOf(host).filter((machine) => machine.address !== "");
	const machine = machines[Math.floor(action.choice * machines.length)];
	if (machine === undefined) return;
	world.faults.count(action.what);
	world.note(() => `${action.what}: ${machine.vm}`);
	const agent = world.agents.byMachine.get(machine.vm);
	if (action.what === "vmDeleted") world.cloud.vanish(machine);
	else if (action.what === "addressTaken") world.cloud.takeOver(machine);
	else if (action.what === "vmStopped") world.cloud.switchOff(machine);
	else if (action.what === "lineBroken") agent?.wire?.cut();
	else if (action.what === "lineSilent") agent?.wire?.mute();
	else if (action.what === "lineDoubled") {
		if (agent !== undefined) world.agents.double(agent);
	} else if (agent !== undefined) world.agents.crash(agent, action.what === "agentDies");
}

/** Somebody has a boot token: of a living proxy, used or not, or of one long gone. */
function forge(world: World, host: Host, action: Action): void {
	const agents = [...world.agents.byMachine.values()].filter((agent) => agent.boot.token.startsWith(`${host.object}.`));
	const agent = agents[Math.floor(action.choice * agents.length)];
	if (agent === undefined) return;
	world.faults.count(action.what);
	misuse(world, agent.machine, { isReplay: action.what === "replayedRegistration", choice: action.choice });
}

/**
 * Registers with a VM's boot token: with the VM's own key or another, from anywhere, from another VM, or, once the proxy can be used,
 * through the proxy itself, and so from its own address.
 */
export function misuse(world: World, machine: Machine, { isReplay, choice }: { isReplay: boolean; choice: number }): void {
	if (machine.boot === null) return;
	const { token } = machine.boot;
	const agent = world.agents.byMachine.get(machine.vm);
	const [object, id] = token.split(".");
	const host = world.hosts.find((one) => one.object === object);
	const key = isReplay && agent !== undefined ? agent.key : `${object}.${id}.forged`;
	// Not from its twin, where a cloud made one create twice: that VM has the same right to the token.
	const own = new Set((world.cloud.byIntent.get(id ?? "") ?? []).map((twin) => twin.address));
	const others = [...world.cloud.byAddress.keys()].filter((address) => !own.has(address));
	const another = others[Math.floor(choice * 1000) % Math.max(1, others.length)];
	// A proxy is only known, and used, once the pool has confirmed its agent.
	const isKnown = host?.state?.proxies.get(id ?? "")?.registered === true;
	const isThrough = choice < 0.3 && isKnown && agent?.isServing === true && machine.goneAt === null;
	const address = isThrough ? machine.address : choice < 0.6 ? another : undefined;
	if (address !== undefined && address !== machine.address) world.cloud.burnt.add(address);
	host?.current()?.register({ token, key, address: address ?? "192.0.2.1" });
}

/** For reports: a proxy in one line. */
export function describe(proxy: Proxy): string {
	const { id, phase, address, registered, wasReady, why, claim, suspectAt, absentAt, failedProbes, tries, retryAt } = proxy;
	return JSON.stringify({ id, phase, address, registered, wasReady, why, claim, suspectAt, absentAt, failedProbes, tries, retryAt });
}
