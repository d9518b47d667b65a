import { parseArgs } from "node:util";

/** How the gateway is told what to do. */
export interface Options {
	/** Muster's address, without a slash at its end. */
	readonly url: string;
	readonly key: string;
	readonly listen: Address;
	/** What its own clients must say; null: nothing. */
	readonly user: { readonly name: string; readonly password: string } | null;
	/** Ports of which each is a session of its own. */
	readonly sessions: readonly number[];
	/** Statuses of answers over plain HTTP that count as a ban. */
	readonly watchStatus: ReadonlySet<number>;
	readonly metrics: Address | null;
	/** How long connections get to end once it is told to. */
	readonly drainSeconds: number;
}

export interface Address {
	readonly host: string;
	readonly port: number;
}

/** Options that cannot be followed; its message says why, and holds no secret. */
export class BadOptions extends Error {}

const DEFAULT_PORT = 8888;
const MAX_SESSIONS = 1000;

export const USAGE = `usage: node gateway.mjs --url https://muster.example.workers.dev --key KEY

One address that rotates: HTTP, CONNECT and SOCKS5 on one port, through the proxies of a fleet.

  --url URL             Muster's address; also MUSTER_URL
  --key KEY             the admin key; better by MUSTER_KEY, which other users of the machine cannot see
  --listen HOST:PORT    where it listens: 127.0.0.1:${DEFAULT_PORT} unless given
  --user NAME:PASSWORD  what its own clients must say; also MUSTER_GATEWAY_USER. Needed where it listens on more than loopback
  --sessions 9001-9010  ports of which each keeps to one proxy
  --watch-status LIST   statuses over plain HTTP that count as a ban of the proxy by the site: 403,429,503
  --metrics HOST:PORT   Prometheus metrics at /metrics of this address
  --drain SECONDS       how long connections get to end after SIGTERM: 30 unless given
  --help                this

A user name may choose: NAME-session-abc123, -country-de, -region-fra1, -provider-hetzner, -instance-x, -host-example.com, -lifetime-10m.
`;

/** Null where help is asked for. Throws BadOptions. */
export function readOptions(args: readonly string[], env: Readonly<Record<string, string | undefined>>): Options | null {
	const values = parsed(args);
	if (values.help) return null;
	const url = baseUrl(values.url ?? env.MUSTER_URL);
	const key = values.key ?? env.MUSTER_KEY ?? "";
	if (!/^[\x21-\x7e]*$/.test(key)) throw new BadOptions("The key holds what no header can: blanks or other than ASCII.");
	const listen = address(values.listen ?? `127.0.0.1:${DEFAULT_PORT}`, "--listen");
	const user = userOf(values.user ?? env.MUSTER_GATEWAY_USER);
	if (user === null && !isLoopback(listen.host))
		throw new BadOptions("An open proxy is not offered: --listen on more than loopback needs --user NAME:PASSWORD.");
	return {
		url,
		key,
		listen,
		user,
		sessions: ports(values.sessions),
		watchStatus: statuses(values["watch-status"]),
		metrics: values.metrics === undefined ? null : address(values.metrics, "--metrics"),
		drainSeconds: wholeNumber(values.drain ?? "30", "--drain", 86_400),
	};
}

const text = { type: "string" } as const;

function parsed(args: readonly string[]) {
	try {
		return parseArgs({
			args: [...args],
			strict: true,
			options: {
				url: text,
				key: text,
				listen: text,
				user: text,
				sessions: text,
				"watch-status": text,
				metrics: text,
				drain: text,
				help: { type: "boolean", short: "h" },
			},
		}).values;
	} catch (error) {
		// What follows an option that is not known may be the key: only names are repeated.
		const name = /'(--?[\w-]+)/.exec(String(error))?.[1];
		throw new BadOptions(name === undefined ? "There is a word too many." : `${name} is not understood.`);
	}
}

function baseUrl(given: string | undefined): string {
	if (given === undefined) throw new BadOptions("--url is missing: the address of your Muster.");
	const url = URL.canParse(given) ? new URL(given) : null;
	if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.search !== "" || url.hash !== "")
		throw new BadOptions("--url must be https://host[:port].");
	if (url.protocol === "http:" && !isLoopback(url.hostname.replace(/^\[|\]$/g, "")))
		throw new BadOptions("--url must be https://: the key would travel in clear.");
	return url.href.replace(/\/+$/, "");
}

function address(given: string, name: string): Address {
	const [, host, port] = /^(?:(\[[0-9a-fA-F:.]+\]|[^:[\]]*):)?(\d{1,5})$/.exec(given) ?? [];
	if (port === undefined || Number(port) > 65_535) throw new BadOptions(`${name} must be HOST:PORT or PORT.`);
	return { host: (host ?? "127.0.0.1").replace(/^\[|\]$/g, "") || "127.0.0.1", port: Number(port) };
}

function isLoopback(host: string): boolean {
	return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function userOf(given: string | undefined): Options["user"] {
	if (given === undefined) return null;
	const colon = given.indexOf(":");
	if (colon < 1 || colon === given.length - 1) throw new BadOptions("--user must be NAME:PASSWORD.");
	return { name: given.slice(0, colon), password: given.slice(colon + 1) };
}

function ports(given: string | undefined): readonly number[] {
	if (given === undefined) return [];
	const [, first, last] = /^(\d{1,5})-(\d{1,5})$/.exec(given) ?? [];
	const [from, to] = [Number(first), Number(last)];
	if (!(from >= 1 && from <= to && to <= 65_535)) throw new BadOptions("--sessions must be ports, FIRST-LAST.");
	if (to - from >= MAX_SESSIONS) throw new BadOptions(`--sessions may be ${MAX_SESSIONS} ports at most.`);
	return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

function statuses(given: string | undefined): ReadonlySet<number> {
	if (given === undefined) return new Set();
	const all = given.split(",").map((status) => wholeNumber(status.trim(), "--watch-status", 599));
	if (all.some((status) => status < 300)) throw new BadOptions("--watch-status must be statuses from 300 to 599, comma-separated.");
	return new Set(all);
}

function wholeNumber(given: string, name: string, most: number): number {
	if (!/^\d{1,6}$/.test(given) || Number(given) > most) throw new BadOptions(`${name} must be a whole number of at most ${most}.`);
	return Number(given);
}
