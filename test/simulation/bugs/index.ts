import type { Bug } from "../planting.ts";
import { ADOPTION } from "./adoption.ts";
import { BOUNDS } from "./bounds.ts";
import { CREDENTIALS } from "./credentials.ts";
import { DEADLINES } from "./deadlines.ts";
import { DEMAND } from "./demand.ts";
import { FINISHING } from "./finishing.ts";
import { INVENTORY } from "./inventory.ts";
import { LEASES } from "./leases.ts";
import { LINES } from "./lines.ts";
import { LISTING } from "./listing.ts";
import { MONEY } from "./money.ts";
import { ORDERS } from "./orders.ts";
import { PASS } from "./pass.ts";
import { PLACES } from "./places.ts";
import { PROBES } from "./probes.ts";
import { REGISTRATION } from "./registration.ts";
import { ROLLING } from "./rolling.ts";
import { STORAGE } from "./storage.ts";
import { TOTALS } from "./totals.ts";

/** Bugs that fleet controllers had, and slips of our own. Each must be caught by the simulation. */
export const BUGS: readonly Bug[] = [
	...PASS,
	...STORAGE,
	...INVENTORY,
	...LISTING,
	...BOUNDS,
	...PLACES,
	...DEADLINES,
	...PROBES,
	...REGISTRATION,
	...LINES,
	...FINISHING,
	...ORDERS,
	...CREDENTIALS,
	...ROLLING,
	...ADOPTION,
	...MONEY,
	...LEASES,
	...TOTALS,
	...DEMAND,
];
