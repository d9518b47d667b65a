/** What operators order that proxies ask for: D1's row of each deployment, who is told of it when, and whether pools go by the newest that they were told of. */
import { credentialsAsked, isLaterOrder } from "../../src/core/model/credentials.ts";
import type { Ms, OrderedCredentials, State } from "../../src/core/model/state.ts";
import type { Host } from "./host.ts";
import type { Random } from "./random.ts";
import { type Action, MINUTE, SECOND } from "./scenario.ts";
import type { World } from "./world.ts";

const NEVER: OrderedCredentials = { revision: 0, is: "none", username: "", password: "", formerSeconds: 600 };
/** Reads that another isolate made a while ago come as often as that. */
const STALE_SHARE = 0.1;
const KEY_LOST_MS = 10 * MINUTE;

export class CredentialOrders {
	private readonly world: World;
	private readonly random: Random;
	/** By deployment: every order that D1 took, the newest last, and the one that it holds. */
	private readonly given = new Map<string, OrderedCredentials[]>();
	private readonly rows = new Map<string, OrderedCredentials>();
	/** By pool: the latest that it was told of. */
	private readonly told = new Map<string, OrderedCredentials>();
	/** By pool: the first version of credentials that are good by the latest order that had all former ones refused. */
	private readonly refusedBefore = new Map<string, number>();
	/** Until then what is stored cannot be decrypted. */
	private unreadUntil: Ms = 0;

	constructor(world: World, random: Random) {
		this.world = world;
		this.random = random;
	}

	/** As `PUT /auth` and `DELETE /auth`: D1 first, then every pool, of which some hear of it late, twice, or from cron alone. */
	order({ deployment }: Host, { choice }: Action): void {
		const { world, random } = this;
		// 503, and nothing is changed.
		if (world.database.isOut) return;
		world.watch.count("credentials ordered");
		const revision = Math.max(world.clock.now, (this.rows.get(deployment)?.revision ?? 0) + 1);
		const order: OrderedCredentials =
			choice < 0.2
				? { ...NEVER, revision, is: "revoked" }
				: { ...NEVER, revision, is: "set", username: "ordered", password: String(revision), formerSeconds: choice < 0.5 ? 0 : 600 };
		if (choice > 0.85) this.unreadUntil = world.clock.now + KEY_LOST_MS;
		this.rows.set(deployment, order);
		this.given.set(deployment, [...(this.given.get(deployment) ?? []), order]);
		for (const host of world.hosts) {
			if (host.deployment !== deployment || random.chance(0.2)) continue;
			world.clock.after(random.between(1, SECOND), () => this.tell(host, order));
			if (random.chance(0.3)) world.clock.after(random.between(SECOND, 30 * MINUTE), () => this.tell(host, order));
		}
	}

	/** What cron, or somebody whose read of D1 is older, tells a pool now; null: nothing was ever ordered. */
	tellable(host: Host): OrderedCredentials | null {
		const given = this.given.get(host.deployment);
		if (given === undefined) return null;
		const order = this.random.chance(STALE_SHARE) ? this.random.pick(given) : this.rows.get(host.deployment);
		return order === undefined ? null : this.noted(host, order);
	}

	private tell(host: Host, order: OrderedCredentials): void {
		const instance = host.current();
		if (instance === null) return;
		instance.hearOrder(this.noted(host, order));
		this.judge(host);
	}

	/** As the pool reads it. */
	private noted(host: Host, order: OrderedCredentials): OrderedCredentials {
		const isUnread = order.is === "set" && this.world.clock.now < this.unreadUntil;
		const read: OrderedCredentials = isUnread ? { ...NEVER, revision: order.revision, is: "unread" } : order;
		const before = this.told.get(host.object) ?? NEVER;
		if (isLaterOrder(before, read)) this.told.set(host.object, read);
		return read;
	}

	/** It goes by the latest that it was told of, whatever was told since. */
	judge(host: Host): void {
		const { state } = host;
		const told = this.told.get(host.object);
		if (state === null || told === undefined) return;
		const { revision, is } = state.orderedCredentials;
		if (revision !== told.revision || is !== told.is) {
			this.world.fail("22", `${host.object} goes by order ${revision} (${is}), and was told of ${told.revision} (${told.is})`);
			return;
		}
		const asked = credentialsAsked(state);
		if (is === "set" && asked?.password !== told.password)
			this.world.fail("22", `${host.object} was ordered to ask for ${told.password}, and asks for ${asked?.password}`);
		if (is === "set" && asked !== null && told.formerSeconds === 0) this.refusedBefore.set(host.object, asked.version);
		this.judgeAgents(host, state);
	}

	/** Whoever asks for what came with such an order, or after it, takes nobody with what was good before. */
	private judgeAgents(host: Host, { proxies }: State): void {
		const first = this.refusedBefore.get(host.object);
		if (first === undefined) return;
		const { agents, clock } = this.world;
		for (const { phase } of proxies.values()) {
			const agent = "vm" in phase && phase.vm !== null ? agents.byMachine.get(phase.vm) : undefined;
			if (agent === undefined || agent.told.credentials < first) continue;
			const old = agent.old.find(({ version, until }) => version < first && until > clock.now);
			if (old !== undefined)
				this.world.fail(
					"22",
					`${agent.machine.vm} asks for credentials ${agent.told.credentials}, and takes ${old.version} that were refused before ${first}`,
				);
		}
	}

	/** D1 has lost it: all, or what came after some copy. Pools know the newest that any of them was told of. */
	lose(deployment: string, isAll: boolean): void {
		const given = this.given.get(deployment);
		if (given === undefined) return;
		if (isAll) this.rows.delete(deployment);
		else this.rows.set(deployment, this.random.pick(given));
	}

	/** As cron does with what pools answer. */
	restore(): void {
		for (const host of this.world.hosts) {
			this.judge(host);
			const known = host.state?.orderedCredentials;
			if (known === undefined || (known.is !== "set" && known.is !== "revoked")) continue;
			if (known.revision > (this.rows.get(host.deployment)?.revision ?? 0)) this.rows.set(host.deployment, known);
		}
	}
}
