import { z } from "zod";
import type { FailureKind } from "../../core/model/failure.ts";
import { type Fault, faultIn } from "../base/http.ts";

/** The code of an error that says that a token is not good, or not any more. */
export const REFUSED = "unauthorized";

/**
 * `{"itemNotFound":{"code":404,"message":…}}` (Nova), `{"NeutronError":{"type":…,"message":…}}` (Neutron), `{"error":{"code":…,"message":…}}` (Keystone, and
 * any service's 401).
 */
const Refusal = z.looseObject({});
const Reason = z.object({ message: z.string(), type: z.string().nullish() });

const KINDS: readonly (readonly [status: number, words: RegExp, kind: FailureKind])[] = [
	[403, /quota exceeded|maximum number of|exceeds? .*quota/i, "quota"],
	[413, /quota exceeded/i, "quota"],
	[409, /^OverQuota\b|quota exceeded/i, "quota"],
	[409, /^IpAddressGenerationFailure\b/, "capacity"],
	[400, /^ExternalIpAddressExhausted\b|No valid host was found/, "capacity"],
	// A network that servers may not join themselves: a matter of settings, not of credentials.
	[403, /external network/i, "invalid"],
	[413, /./, "rate"],
];

export const fault = faultIn(Refusal, (body, status): Fault => {
	const { message: said = "", type } =
		Object.values(body)
			.map((value) => Reason.safeParse(value).data)
			.find((reason) => reason !== undefined) ?? {};
	const words = type ? `${type}: ${said}` : said;
	const kind = KINDS.find(([of, pattern]) => of === status && pattern.test(words))?.[2] ?? null;
	const message = status === 406 ? `${words || "the microversion is not supported"}: OPENSTACK_MICROVERSION can name another` : words;
	return { message: message || null, kind, ...(status === 401 ? { code: REFUSED } : {}) };
});

/** What it means that a server could not be built, by its fault's sentence: that there was no room, unless it says otherwise. */
export const kindOfFault = (message: string): FailureKind => (/quota/i.test(message) ? "quota" : "capacity");
