import { z } from "zod";
import type { Price } from "../../core/model/state.ts";
import { ProviderError } from "./provider.ts";

/** A cloud's own price, or the failure that says that it has none for this size (its `kind`: size, plan, …). `asOf` in milliseconds. */
export function priced(provider: string, kind: string, size: string, hourly: number | undefined, currency: string, asOf: number): Price {
	if (hourly === undefined) throw new ProviderError({ kind: "invalid", say: `${provider}: no price is known of the ${kind} ${size}` });
	return { hourly: Math.round(hourly * 1e6) / 1e6, currency, asOf };
}

/** The price that an operator states where Muster's own table lacks it, or is out of date. */
export const statedPrice = () => {
	const must = "what one VM costs an hour, in US dollars, such as 0.0092";
	return z
		.string(must)
		.regex(/^\d{1,6}(\.\d{1,9})?$/, must)
		.transform(Number)
		.nullable()
		.default(null);
};
