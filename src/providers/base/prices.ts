import type { Price } from "../../core/model/state.ts";
import { ProviderError } from "./provider.ts";

/** More an hour is no price of a VM. */
const MOST_HOURLY = 1_000_000;

/**
 * A price in millionths, as money is summed up here; one that is not 0 never becomes 0. Throws a ProviderError for what is no price: none, NaN, infinite,
 * less than nothing.
 */
export function soundPrice(price: Price): Price {
	const { hourly } = price;
	if (!(hourly >= 0 && hourly <= MOST_HOURLY)) throw new ProviderError({ kind: "invalid", message: `a VM cannot cost ${hourly} an hour` });
	return { ...price, hourly: hourly === 0 ? 0 : Math.max(1, Math.round(hourly * 1e6)) / 1e6 };
}

/** A cloud's own price, or the failure that says that it has none for this size (its `kind`: size, plan, …). `asOf` in milliseconds. */
export function priced(provider: string, kind: string, size: string, hourly: number | undefined, currency: string, asOf: number): Price {
	if (hourly === undefined) throw new ProviderError({ kind: "invalid", message: `${provider}: no price is known of the ${kind} ${size}` });
	return soundPrice({ hourly, currency, asOf });
}

/** An hourly price that a cloud does not show: what the operator states in the setting `statedBy`, else what the table that Muster brings has, of `asOf`. In dollars. */
export function statedOr(
	stated: number | null,
	now: number,
	table: {
		readonly provider: string;
		readonly kind: string;
		readonly size: string;
		readonly statedBy: string;
		readonly hourly: number | undefined;
		readonly asOf: number;
	},
): Price {
	if (stated !== null) return { hourly: stated, currency: "USD", asOf: now };
	const { provider, kind, size, statedBy, hourly, asOf } = table;
	return priced(provider, kind, `${size} (${statedBy} can state it)`, hourly, "USD", asOf);
}
