import { createHash, timingSafeEqual } from "node:crypto";
import type { Options } from "./options.ts";
import { ANY, type Choice, choiceOf } from "./user.ts";

const digest = (text: string) => createHash("sha256").update(text).digest();
const MAX_KNOWN = 10_000;

/** Who may use the gateway, and what their user names choose. */
export class Access {
	readonly #user: Options["user"];
	readonly #password: Buffer | null;
	readonly #names: () => readonly string[];
	/** By what clients send: mostly the same again and again. */
	readonly #known = new Map<string, Choice>();

	/** `names` are those that are known at the proxies themselves: a URL of a proxy works here too. */
	constructor(user: Options["user"], names: () => readonly string[]) {
		this.#user = user;
		this.#password = user === null ? null : digest(user.password);
		this.#names = names;
	}

	get isOpen(): boolean {
		return this.#user === null;
	}

	/** By the value of Proxy-Authorization; null: not let in. Throws BadUser where the name is understood by nobody. */
	ofHeader(value: string | null, fallback: Choice): Choice | null {
		if (value === null) return this.isOpen ? fallback : null;
		const known = this.#known.get(value);
		if (known !== undefined) return known === ANY ? fallback : known;
		const [, encoded] = /^basic +([A-Za-z0-9+/=]+)$/i.exec(value) ?? [];
		if (encoded === undefined) return this.isOpen ? fallback : null;
		const text = Buffer.from(encoded, "base64").toString("utf8");
		const colon = text.indexOf(":");
		const choice = this.#choiceOf(colon < 0 ? text : text.slice(0, colon), colon < 0 ? "" : text.slice(colon + 1));
		if (choice === null) return null;
		if (this.#known.size >= MAX_KNOWN) this.#known.clear();
		this.#known.set(value, choice);
		return choice === ANY ? fallback : choice;
	}

	/** By user name and password as SOCKS5 has them; null: not let in. */
	ofPair(name: string, password: string, fallback: Choice): Choice | null {
		const choice = this.#choiceOf(name, password);
		return choice === ANY ? fallback : choice;
	}

	#choiceOf(name: string, password: string): Choice | null {
		if (this.#user === null || this.#password === null) return choiceOf(name, this.#names()) ?? ANY;
		// The password is compared first, so that a wrong one learns nothing of names.
		if (!timingSafeEqual(digest(password), this.#password)) return null;
		return choiceOf(name, [this.#user.name]);
	}
}
