import { type EndpointConfiguration, type Faults, masked, type StoredConfiguration } from "./configuration.ts";
import type { Global } from "./deployment.ts";
import { Reader } from "./reader.ts";
import { TIMES } from "./table.ts";

/** The name under which a manager's configuration holds for all that have none of their own. */
export const DEFAULT_MANAGER = "default";

/** What a manager's configuration says: `manager.interval`, in seconds; null where it says nothing. All else in it is stored only. */
export function readManager(
	configuration: EndpointConfiguration,
	global: Global,
): { readonly intervalSeconds: number | null; readonly faults: Faults } {
	const reader = new Reader(configuration);
	const setting = TIMES.intervalSeconds;
	const intervalSeconds = reader.read(setting, global.timing.intervalSeconds);
	return { intervalSeconds: reader.has(...setting.at) ? intervalSeconds : null, faults: reader.faults };
}

/** What of a manager's configuration is of no effect, as `section.key`. */
export function unknownToManagers(configuration: EndpointConfiguration): readonly string[] {
	const places = Object.entries(configuration).flatMap(([section, values]) => Object.keys(values).map((key) => `${section}.${key}`));
	return places.filter((place) => place !== TIMES.intervalSeconds.at.join("."));
}

/** Seconds between looks, by manager, where its configuration names them. */
export function intervalsOf(managers: ReadonlyMap<string, StoredConfiguration>, global: Global): Readonly<Record<string, number>> {
	const named = [...managers].flatMap(([name, configuration]) => {
		const { intervalSeconds, faults } = readManager(masked(configuration), global);
		return intervalSeconds === null || Object.keys(faults).length > 0 ? [] : [[name, intervalSeconds] as const];
	});
	return Object.fromEntries(named);
}
