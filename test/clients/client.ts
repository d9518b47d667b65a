/** What the table of real clients is made of: one small entry a client, and helpers that several entries share. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** What a client is asked for: a URL of that scheme, or an http:// URL through SOCKS5. */
export type Protocol = "http" | "https" | "socks5";

/** One download through the agent. */
export interface Errand {
	readonly protocol: Protocol;
	/** The name of the origin, which only the agent can resolve, and its port. */
	readonly host: string;
	readonly port: number;
	/** Of a text that holds the answer. `base` is its directory, ending with a slash. */
	readonly url: string;
	readonly base: string;
	readonly proxy: {
		readonly host: string;
		readonly port: number;
		readonly username: string;
		readonly password: string;
		/** `http://user:password@host:port` with both percent-encoded, and the same with `socks5h://`. */
		readonly url: string;
		readonly socksUrl: string;
		/** `url` or `socksUrl`, as the protocol asks. */
		readonly either: string;
	};
	/** The PEM file with the certificate of the throw-away authority that signed the origin's. */
	readonly authority: string;
	/** The client's own directory: its home, and where it starts. */
	readonly directory: string;
}

export interface Command {
	readonly argv: readonly string[];
	readonly env?: Readonly<Record<string, string>>;
	/** Files to be written into the client's directory first. */
	readonly files?: Readonly<Record<string, string>>;
	/** Its standard input, which stays open until it says something. */
	readonly input?: string;
	/** The file of the client's directory that the client puts what it got into; standard output where there is none. */
	readonly output?: string;
}

export interface Client {
	/** As `docs/clients.md` calls it. */
	readonly name: string;
	/** The packages that bring it: Debian's, or `npm:name`. */
	readonly packages: string;
	/** The command that prints its version, which also shows that it is installed. */
	readonly version: readonly string[];
	/** The line that configures it. */
	readonly configure: string;
	readonly protocols: readonly Protocol[];
	readonly command: (errand: Errand) => Command;
	/** One of those that differ most, which continuous integration has. */
	readonly isOfTheDozen?: true;
	/** Looks the destination's name up itself, even behind a proxy: it is given an address. */
	readonly resolvesItself?: true;
	/** Says nothing of what it got: that the origin was asked, and that the client is content, is what can be seen. */
	readonly isSilent?: true;
	/** Shows a destination behind TLS the proxy's credentials. */
	readonly tellsOriginPassword?: true;
}

/** Where `scripts/test-clients-install.sh` puts npm's packages, and what Go has built. */
export const CACHE = process.env.MUSTER_TEST_CLIENTS_DIR ?? join(homedir(), ".cache/muster-test-clients");

/** Debian's Python, for which Debian's modules are. */
export const PYTHON = process.env.MUSTER_TEST_PYTHON ?? "/usr/bin/python3";

/** The proxy's URL in the variables that most programs read. */
export const variables = ({ proxy }: Errand): Record<string, string> => ({
	http_proxy: proxy.url,
	https_proxy: proxy.url,
	HTTP_PROXY: proxy.url,
	HTTPS_PROXY: proxy.url,
});

export const python = (program: string, env: Record<string, string> = {}): Command => ({ argv: [PYTHON, "-c", program], env });

/** A program for Node that may `require` what was installed from npm. */
export const node = (program: string, errand: Errand, env: Record<string, string> = {}): Command => ({
	argv: [process.execPath, "--input-type=commonjs", "-e", program],
	env: { NODE_PATH: join(CACHE, "node_modules"), NODE_EXTRA_CA_CERTS: errand.authority, ...env },
});

/** The command that prints the version of a package from npm; of several, the last one's. */
export const npmVersion = (...names: readonly string[]): readonly string[] => {
	const read = names.map((name) => `v = JSON.parse(fs.readFileSync(${quoted(join(CACHE, "node_modules", name, "package.json"))})).version`);
	return [process.execPath, "-e", `let v; ${read.join("; ")}; console.log(v)`];
};

/** The command that prints the version of a package of Debian's, for what does not tell its own. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: a field of dpkg's.
export const debian = (name: string): readonly string[] => ["dpkg-query", "-W", "-f", "${Version}", name];

/** As a string literal of JavaScript, Python, Ruby, Perl (where it holds no `@` or `$`) and more. */
export const quoted = (text: string): string => JSON.stringify(text);

/** A bare request, for clients that only open a tunnel. */
export const bareRequest = ({ url, host, port }: Errand): string =>
	`GET ${new URL(url).pathname} HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: close\r\n\r\n`;

/** A program kept in a file of its own beside this one. */
export const program = (name: string): string => readFileSync(join(import.meta.dirname, "programs", name), "utf8");
