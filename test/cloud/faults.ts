import { z } from "zod";
import { OPERATIONS, type Operation } from "./dialect.ts";

/**
 * Something that goes wrong on demand. It hits the next `times` calls of that provider and operation (`*`: any), and with a `region`
 * only those about that region, zone or location, as the cloud's creates name it (`nbg1`, `us-central1-a`); of several faults that
 * fit, the oldest hits.
 *
 * - `kind`: `"capacity"`: what asks for room (a create, and where clouds have none for it, a start) is told that there is none, in the
 *   cloud's own way; Google says so in the operation only. Other calls are let by.
 * - `status`: answered instead of doing anything, with `body` (text, or JSON) and `headers` where they are given, else with
 *   the cloud's own. With `afterDoing` the request is carried out and then answered so.
 * - `delayMs`: the request is carried out at once and its answer held back.
 * - `dropAnswer`: the request is carried out, then the connection is cut.
 * - `listLagMs`: the answer shows the inventory as it was so long ago: new VMs are missing, deleted ones still there.
 * - `emptyList`: the answer shows no VM at all.
 * - `failLater`: a create is accepted, and its VM vanishes at half of its boot, with an errored action.
 * - `neverBoots`: a create is accepted, its VM becomes active, and its agent never starts.
 * - `probability` (0 to 1): a call that fits is hit with this probability.
 */
const Fault = z
	.strictObject({
		provider: z.string().max(40).default("*"),
		operation: z.enum([...OPERATIONS, "*"]).default("*"),
		region: z.string().min(1).max(60).optional(),
		times: z.number().int().min(1).max(1_000_000_000).default(1),
		probability: z.number().min(0).max(1).optional(),
		kind: z.literal("capacity").optional(),
		status: z.number().int().min(300).max(599).optional(),
		headers: z.record(z.string(), z.string()).optional(),
		body: z.union([z.string(), z.record(z.string(), z.unknown())]).optional(),
		afterDoing: z.literal(true).optional(),
		delayMs: z.number().int().min(1).max(600_000).optional(),
		dropAnswer: z.literal(true).optional(),
		listLagMs: z.number().int().min(1).max(3_600_000).optional(),
		emptyList: z.literal(true).optional(),
		failLater: z.literal(true).optional(),
		neverBoots: z.literal(true).optional(),
	})
	.superRefine((fault, context) => {
		const refuse = (message: string) => context.addIssue({ code: "custom", message });
		const effects = ["kind", "status", "delayMs", "dropAnswer", "listLagMs", "emptyList", "failLater", "neverBoots"] as const;
		if (!effects.some((effect) => fault[effect] !== undefined)) refuse(`give at least one of ${effects.join(", ")}`);
		if (fault.status === undefined && (fault.headers ?? fault.body ?? fault.afterDoing) !== undefined)
			refuse("headers, body and afterDoing need a status");
		if (fault.status !== undefined && fault.dropAnswer) refuse("a dropped answer has no status");
		if (fault.kind !== undefined && (fault.status ?? fault.failLater ?? fault.neverBoots) !== undefined)
			refuse("kind excludes status, failLater and neverBoots");
		const isAbout = (...operations: (Operation | "*")[]) => operations.includes(fault.operation) || fault.operation === "*";
		if ((fault.listLagMs ?? fault.emptyList) !== undefined && !isAbout("list", "get")) refuse("listLagMs and emptyList fit list and get");
		if (fault.kind !== undefined && !isAbout("create", "restart")) refuse("kind fits create and restart");
		if ((fault.failLater ?? fault.neverBoots) !== undefined && !isAbout("create")) refuse("failLater and neverBoots fit create");
		if (fault.failLater && fault.neverBoots) refuse("failLater and neverBoots exclude each other");
	});
export type Fault = z.infer<typeof Fault>;
/** What of it an account's VMs feel. */
export type Effects = Partial<Fault>;

/** The faults that are set, oldest first. */
export class Faults {
	readonly #providers: readonly string[];
	readonly #random: () => number;
	#active: { readonly fault: Fault; left: number }[] = [];

	constructor(providers: readonly string[], random: () => number) {
		this.#providers = providers;
		this.#random = random;
	}

	/** Sets a fault; the answer is a sentence when it makes no sense, else null. */
	add(wanted: unknown): string | null {
		const parsed = Fault.safeParse(wanted);
		if (!parsed.success)
			return parsed.error.issues.map((issue) => [issue.path.join("."), issue.message].filter(Boolean).join(": ")).join("; ");
		const fault = parsed.data;
		if (fault.provider !== "*" && !this.#providers.includes(fault.provider))
			return `provider: '${fault.provider}' is none of ${this.#providers.join(", ")}, *`;
		this.#active.push({ fault, left: fault.times });
		return null;
	}

	clear(): void {
		this.#active = [];
	}

	/** What is set, with how often each will still hit. */
	list(): readonly (Fault & { readonly left: number })[] {
		return this.#active.map(({ fault, left }) => ({ ...fault, left }));
	}

	/** The fault that hits this call, used up by one. What the call is about is asked only where a fault depends on it. */
	take(
		provider: string,
		operation: Operation,
		call: { readonly region: () => string | null; readonly needsRoom: () => boolean },
	): Fault | null {
		for (const entry of this.#active) {
			const { fault } = entry;
			if (fault.provider !== "*" && fault.provider !== provider) continue;
			if (fault.operation !== "*" && fault.operation !== operation) continue;
			if (fault.region !== undefined && fault.region.toLowerCase() !== call.region()?.toLowerCase()) continue;
			if (fault.kind !== undefined && !call.needsRoom()) continue;
			if (fault.probability !== undefined && this.#random() >= fault.probability) continue;
			entry.left -= 1;
			if (entry.left === 0) this.#active = this.#active.filter((other) => other !== entry);
			return fault;
		}
		return null;
	}
}
