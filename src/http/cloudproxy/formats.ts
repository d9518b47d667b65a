import { z } from "zod";
import { countryOf } from "../../providers/index.ts";
import type { ReadyProxy } from "../../read-model/snapshot.ts";
import { digitsOf, hash64, nameOf } from "../../values/rendezvous.ts";
import type { ListedProxy, Proxy } from "./shapes.ts";

// Lists that need no code: each format that other tools read proxies in, a line a proxy.

const TEXT = "text/plain; charset=utf-8";

/** How each format shows one proxy: its line, or null where that proxy cannot be had that way. */
const LINES = {
	url: ({ url }: Proxy) => url,
	text: byHttp(hostAndPort),
	"host:port": byHttp(hostAndPort),
	"host:port:user:pass": byHttp((proxy) =>
		proxy.username === null ? hostAndPort(proxy) : `${hostAndPort(proxy)}:${proxy.username}:${proxy.password}`,
	),
	socks5: ({ socks5 }: Proxy) => socks5,
} as const satisfies Readonly<Record<string, (proxy: Proxy) => string | null>>;

export type Format = keyof typeof LINES | "csv" | "json";
export const FORMATS = [...(Object.keys(LINES) as (keyof typeof LINES)[]), "csv", "json"] as const satisfies readonly Format[];

const COLUMNS = ["ip", "port", "username", "password", "provider", "instance", "region", "country", "url", "socks5"] as const;

export interface Text {
	readonly text: string;
	readonly type: string;
}

/** A route's parameter. */
export const formatOf = (usual: Format) =>
	z
		.enum(FORMATS, { error: `must be one of ${FORMATS.join(", ")}` })
		.default(usual)
		.openapi({ description: "`text` is `host:port`. Lists in JSON and CSV say regions and countries too.", example: usual });

type Show = (proxy: ReadyProxy) => Proxy;

/** These proxies in a format; an empty list is an empty text, but for the heading of a table and the brackets of JSON. */
export function inFormat(format: Format, proxies: readonly ReadyProxy[], show: Show): Text {
	if (format === "json") return { text: `${JSON.stringify(proxies.map((proxy) => listed(proxy, show)))}\n`, type: "application/json" };
	if (format === "csv")
		return { text: table(proxies.map((proxy) => listed(proxy, show))), type: "text/csv; charset=utf-8; header=present" };
	const lines = proxies.flatMap((proxy) => LINES[format](show(proxy)) ?? []);
	return { text: lines.map((line) => `${line}\n`).join(""), type: TEXT };
}

/** A proxy with where it is, and with what a session is ranked by. */
function listed(ready: ReadyProxy, show: Show): ListedProxy {
	const shown = show(ready);
	const id = digitsOf(hash64(nameOf(ready.pool.object, ready.entry[0])));
	return { id, ...shown, country: shown.country ?? countryOf(ready.pool.provider, shown.region) };
}

/** Who is told no scheme takes it for an HTTP proxy. */
function byHttp(line: (proxy: Proxy) => string): (proxy: Proxy) => string | null {
	return (proxy) => (proxy.url.startsWith("http:") ? line(proxy) : null);
}

function hostAndPort({ ip, port }: Pick<Proxy, "ip" | "port">): string {
	return `${ip.includes(":") ? `[${ip}]` : ip}:${port}`;
}

/** As RFC 4180 has it. */
function table(proxies: readonly ListedProxy[]): string {
	const rows = proxies.map((proxy) => COLUMNS.map((column) => String(proxy[column] ?? "")));
	return [COLUMNS, ...rows].map((row) => `${row.map(quoted).join(",")}\r\n`).join("");
}

function quoted(cell: string): string {
	return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
