/** Whom the cloud's firewall is known to admit, and how changing it went. */
import type { Ms } from "./basics.ts";
import { list, nullable, record, value } from "./shape.ts";
import { fact, type Slice, shown } from "./slice.ts";

export interface Firewall {
	/** CIDRs; empty: everyone. Null: nothing was made yet. */
	readonly admits: readonly string[] | null;
	readonly tries: number;
	readonly retryAt: Ms;
	readonly why: string;
}

export interface FirewallFields {
	readonly firewall: Firewall;
}

const FIREWALL = record<Firewall>({ admits: nullable(list(value(""))), tries: value(0), retryAt: value(0), why: value("") });

/** The firewall of a pool that has made no VM yet. */
export const NEVER_CHANGED: Firewall = FIREWALL.initial;

export const firewallSlice: Slice<FirewallFields> = { firewall: shown(fact(FIREWALL)) };
