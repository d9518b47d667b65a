import type { Price } from "../../core/model/state.ts";
import { ProviderError } from "./provider.ts";

/** A cloud's own price, or the failure that says that it has none for this size (its `kind`: size, plan, …). `asOf` in milliseconds. */
export function priced(provider: string, kind: string, size: string, hourly: number | undefined, currency: string, asOf: number): Price {
	if (hourly === undefined) throw new ProviderError({ kind: "invalid", say: `${provider}: no price is known of the ${kind} ${size}` });
	return { hourly: Math.round(hourly * 1e6) / 1e6, currency, asOf };
}
