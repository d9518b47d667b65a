import { type EndpointConfiguration, type Faults, masked, type StoredConfiguration } from "./configuration.ts";
import { type Global, TIMINGS } from "./deployment.ts";
import { Reader } from "./reader.ts";

/** The name under which a manager's configuration holds for all that have none of their own. */
export const DEFAULT_MANAGER = "default";

/** What a manager's configuration says: `manager.interval`, in seconds; null where it says nothing. All else in it is stored only. */
export function readManager(
	configuration: EndpointConfiguration,
	global: Global,
): { readonly intervalSeconds: number | null; readonly faults: Faults } {
	const reader = new Reader(configuration);
	const key = TIMINGS.intervalSeconds.name.toLowerCase();
	const { max } = TIMINGS.intervalSeconds;
	const intervalSeconds = reader.whole("manager", key, global.timing.intervalSeconds, { min: 1, max, unit: "seconds" });
	return { intervalSeconds: reader.has("manager", key) ? intervalSeconds : null, faults: reader.faults };
}

/** Seconds between looks, by manager, where its configuration names them. */
export function intervalsOf(managers: ReadonlyMap<string, StoredConfiguration>, global: Global): Readonly<Record<string, number>> {
	const named = [...managers].flatMap(([name, configuration]) => {
		const { intervalSeconds, faults } = readManager(masked(configuration), global);
		return intervalSeconds === null || Object.keys(faults).length > 0 ? [] : [[name, intervalSeconds] as const];
	});
	return Object.fromEntries(named);
}
