import { createHash } from "node:crypto";
import { Account } from "./account.ts";
import { type Clock, systemClock } from "./clock.ts";
import { answerControl } from "./controls.ts";
import { brokenAnswer, type Call, type Dialect, json } from "./dialect.ts";
import { dialects, type Limits } from "./dialects.ts";
import { type Effects, type Fault, Faults } from "./faults.ts";
import { Fleet } from "./fleet.ts";
import { type Inventory, noInventory } from "./inventory.ts";
import { Journal } from "./journal.ts";
import { idleMachines, type Machines } from "./machines.ts";

export interface CloudOptions {
	/** What a boot is; by default nothing runs on any VM. */
	readonly machines?: Machines;
	readonly clock?: Clock;
	readonly inventory?: Inventory;
	/** From create until the agent starts. The VM is active and has its address after half of it. */
	readonly bootMs?: number;
	/** VMs that an account may have. */
	readonly limit?: number;
	/** 0 to 1, for faults with a probability. */
	readonly random?: () => number;
	readonly limits?: Limits;
}

/**
 * The local cloud: each cloud's API under `/<provider>`, its own controls under `/_local`, the caller's address at `/ip`.
 * One `Request` in, one `Response` out, so that a server (`server.ts`) and tests in one process use the same code.
 */
export class LocalCloud {
	readonly fleet: Fleet;
	readonly faults: Faults;
	readonly journal = new Journal();
	readonly #clock: Clock;
	readonly #limit: number;
	readonly #dialects: readonly Dialect[];

	constructor(options: CloudOptions = {}) {
		this.#clock = options.clock ?? systemClock;
		this.#limit = options.limit ?? 1000;
		this.#dialects = dialects(options.limits ?? { requestsPerHour: null });
		this.faults = new Faults(
			this.#dialects.map((dialect) => dialect.provider),
			options.random ?? Math.random,
		);
		this.fleet = new Fleet({
			clock: this.#clock,
			machines: options.machines ?? idleMachines(),
			inventory: options.inventory ?? noInventory,
			bootMs: options.bootMs ?? 1500,
		});
	}

	/** Answers one request; `from` is the caller's address. */
	async fetch(request: Request, from = "127.0.0.1"): Promise<Response> {
		const url = new URL(request.url);
		if (url.pathname === "/ip") return new Response(`${from}\n`, { headers: { "content-type": "text/plain; charset=utf-8" } });
		if (url.pathname.startsWith("/_local/")) return answerControl(this, request, url);
		const [, mount, path = ""] = /^\/([a-z]+)(\/.*)?$/.exec(url.pathname) ?? [];
		const dialect = this.#dialects.find((candidate) => candidate.provider === mount);
		if (!dialect) {
			const mounts = this.#dialects.map((candidate) => `/${candidate.provider}`);
			return json(404, { error: `No cloud is at ${url.pathname}; there are ${mounts.join(", ")}, /_local and /ip.` });
		}
		const call: Call = {
			method: request.method,
			path,
			query: url.searchParams,
			headers: request.headers,
			body: await request.text(),
			origin: url.origin,
			host: url.host,
			fullPath: url.pathname,
		};
		const who = dialect.account(call, this.#clock.now());
		const fault = this.faults.take(dialect.provider, dialect.operation(call), {
			region: () => (who instanceof Response ? null : dialect.region(call, this.#accountOf(dialect, who, null))),
			needsRoom: () => !(who instanceof Response) && dialect.soldOut(call) !== null,
		});
		const answer =
			fault?.status && !fault.afterDoing ? stated(dialect, fault, this.#clock.now()) : await this.#carryOut(dialect, call, who, fault);
		const shown = fault?.status && fault.afterDoing ? stated(dialect, fault, this.#clock.now()) : answer;
		const text = await shown.clone().text();
		this.journal.add({
			provider: dialect.provider,
			method: call.method,
			url: `${call.path}${dialect.maskQuery?.(url.search) ?? url.search}`,
			requestBody: dialect.mask(call.body),
			status: shown.status,
			responseBody: dialect.mask(text),
			at: this.#clock.now(),
			...(fault?.dropAnswer ? { dropped: true } : {}),
			...(fault?.body === undefined ? {} : { prescribed: true }),
		});
		const { delayMs } = fault ?? {};
		if (delayMs) await new Promise<void>((resolve) => this.#clock.after(delayMs, resolve));
		return fault?.dropAnswer ? brokenAnswer() : shown;
	}

	async #carryOut(dialect: Dialect, call: Call, who: { readonly token: string } | Response, fault: Fault | null): Promise<Response> {
		if (who instanceof Response) return who;
		const noRoom = fault?.kind === "capacity" ? dialect.soldOut(call) : null;
		const account = this.#accountOf(dialect, who, noRoom === "later" ? { ...fault, failLater: true } : fault);
		const meter = dialect.meter(account, this.#clock.now());
		const answer = meter.refusal ?? (noRoom instanceof Response ? noRoom : await dialect.handle(call, account));
		for (const [name, value] of Object.entries(meter.headers)) answer.headers.set(name, value);
		return answer;
	}

	#accountOf(dialect: Dialect, { token }: { readonly token: string }, fault: Effects | null): Account {
		const key = createHash("sha256").update(`${dialect.provider}\n${token}`).digest("hex");
		return new Account(this.fleet, key, this.#limit, fault);
	}
}

/** The answer that a fault prescribes, in the cloud's own words where it gives none. */
function stated(dialect: Dialect, fault: Fault, nowMs: number): Response {
	const usual = dialect.failure(fault.status ?? 500, nowMs);
	const headers = new Headers(fault.headers ?? usual.headers);
	const isText = typeof fault.body === "string" && !fault.body.startsWith("{");
	const usualType = isText ? "text/plain; charset=utf-8" : (usual.headers.get("content-type") ?? "application/json");
	headers.set("content-type", new Headers(fault.headers).get("content-type") ?? usualType);
	if (fault.body === undefined) return new Response(usual.body, { status: usual.status, headers });
	const text = typeof fault.body === "string" ? fault.body : JSON.stringify(fault.body);
	return new Response(text, { status: usual.status, headers });
}
