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
