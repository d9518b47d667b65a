import { z } from "zod";
import { isFailure } from "./failures.ts";
import { faultIn, json, request } from "./http.ts";
import { Once } from "./once.ts";
import type { ProviderContext } from "./provider.ts";
import type { Access } from "./rest.ts";

/** Access tokens that an OAuth 2.0 token server gives for credentials (RFC 6749), for the clouds that want one with each call. */

/** A token is renewed so long before it ends: what is sent with it may wait on its way. */
const EARLY_MS = 5 * 60_000;

export interface Token {
	readonly text: string;
	/** Milliseconds since the epoch. */
	readonly expiresAt: number;
}

/** Tokens by account: each is fetched once for all who ask in this isolate, and again some minutes before it ends. */
export class Tokens {
	readonly #kept = new Once<Token>(({ expiresAt }, _, now) => now < expiresAt - EARLY_MS);

	/**
	 * Calls with the token of an account, which `account` tells from others and `fetch` gets. One that is refused before its time is
	 * forgotten: the next call fetches another. `secrets`: what else no error may repeat.
	 */
	access(context: ProviderContext, account: readonly (string | null)[], secrets: readonly string[], fetch: () => Promise<Token>): Access {
		const key = JSON.stringify(account);
		return async (call) => {
			const token = await this.#kept.ensure(context, key, "", fetch);
			try {
				return await call({ headers: { authorization: `Bearer ${token.text}` }, secrets: [token.text, ...secrets] });
			} catch (error) {
				if (isFailure(error, "auth")) this.#kept.forget(key, token);
				throw error;
			}
		};
	}
}

export interface Grant {
	/** As sentences begin: "GCP". */
	readonly provider: string;
	/** The token server. */
	readonly url: string;
	/** What is asked, the credentials among it. */
	readonly form: Readonly<Record<string, string>>;
	/** As for a request. */
	readonly secrets: readonly string[];
	readonly confidential?: readonly string[];
}

/** Asks for a token. Throws as `request` does; credentials that the server does not take are `auth`. */
export async function fetchToken(context: ProviderContext, { provider, url, form, ...rest }: Grant): Promise<Token> {
	const { origin, pathname, search } = new URL(url);
	const { access_token, expires_in } = await request(context, {
		provider,
		baseUrl: origin,
		path: pathname + search,
		method: "POST",
		headers: { "content-type": "application/x-www-form-urlencoded" },
		body: new URLSearchParams(form).toString(),
		// Another token changes nothing.
		reads: true,
		read: json(z.object({ access_token: z.string().min(1), expires_in: z.number().positive() })),
		fault,
		...rest,
	});
	return { text: access_token, expiresAt: context.now() + expires_in * 1000 };
}

const Refusal = z.object({ error: z.string(), error_description: z.string().optional() });

/** Token servers say 400 to credentials that they do not know (RFC 6749, section 5.2). */
const fault = faultIn(Refusal, ({ error, error_description }, status) => ({
	message: [error, error_description].filter((part) => part !== undefined).join(": "),
	kind: status === 400 ? "auth" : null,
}));
