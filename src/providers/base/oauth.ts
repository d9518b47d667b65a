import { z } from "zod";
import { isFailure } from "./failures.ts";
import { type Fault, json, jsonOrNull, request } from "./http.ts";
import { Once } from "./once.ts";
import type { ProviderContext } from "./provider.ts";

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

	/** Makes a call with the token of that account. A token that is refused before its time is forgotten: the next call fetches another. */
	async use<T>(context: ProviderContext, account: string, fetch: () => Promise<Token>, call: (token: string) => Promise<T>): Promise<T> {
		const token = await this.#kept.ensure(context, account, "", fetch);
		try {
			return await call(token.text);
		} catch (error) {
			if (isFailure(error, "auth")) this.#kept.forget(account, token);
			throw error;
		}
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
function fault({ status, text }: { status: number; text: string }): Fault {
	const body = Refusal.safeParse(jsonOrNull(text));
	if (!body.success) return { say: null, kind: null };
	const say = [body.data.error, body.data.error_description].filter((part) => part !== undefined).join(": ");
	return { say, kind: status === 400 ? "auth" : null };
}
