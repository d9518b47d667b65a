/**
 * The Worker that the bench measures: the real one, with a bare JSON route beside it, a way to fill its database, and under
 * `/uncached` the same routes with the isolate's cache dropped before each request. Never deployed.
 */

import type { ReadyEntry } from "../../src/core/model/published.ts";
import { enterPool } from "../../src/d1/directory.ts";
import { app } from "../../src/http/app.ts";
import { publish } from "../../src/read-model/publish.ts";
import { forgetEverything } from "../../src/read-model/ready.ts";
import type { Env } from "../../src/rpc/env.ts";

export { Pool } from "../../src/pool/pool.ts";

const POOLS = 2;
const PART = 1000;

export default {
	async fetch(request, env, ctx) {
		const url = new URL(request.url);
		if (url.pathname === "/bare.txt") return bareText(Number(url.searchParams.get("proxies")));
		if (url.pathname === "/bare") return bare(Number(url.searchParams.get("proxies")));
		if (url.pathname === "/migrate") {
			const statements = await request.json<string[]>();
			await env.DB.batch(statements.map((sql) => env.DB.prepare(sql)));
			return new Response("done");
		}
		if (url.pathname === "/fill") return fill(env, Number(url.searchParams.get("proxies")));
		if (url.pathname.startsWith("/rows/")) return rows(request, env, ctx);
		if (!url.pathname.startsWith("/uncached/")) return app.fetch(request, env, ctx);
		forgetEverything();
		return app.fetch(new Request(without(url, "/uncached"), request), env, ctx);
	},
} satisfies ExportedHandler<Env>;

/** What any Worker has to do to answer as much JSON. */
function bare(proxies: number): Response {
	const proxy = {
		ip: "192.0.2.1",
		port: 8899,
		auth_enabled: true,
		url: "http://username:password@192.0.2.1:8899",
		provider: "digitalocean",
		instance: "bench0",
		server: "http://192.0.2.1:8899",
		username: "username",
		password: "password",
		socks5: "socks5://username:password@192.0.2.1:8899",
		region: "lon1",
		size: "small",
		country: null,
	};
	return Response.json({
		at: new Date().toISOString(),
		proxies: Array.from({ length: proxies }, () => ({ ...proxy, display_name: "Bench" })),
	});
}

const texts = new Map<number, string>();

/** A text that is there already, as long as a list of so many proxies. */
function bareText(proxies: number): Response {
	const text = texts.get(proxies) ?? "http://username:password@192.0.2.100:8899\n".repeat(proxies);
	texts.set(proxies, text);
	return new Response(text);
}

function without(url: URL, prefix: string): string {
	return url.origin + url.pathname.slice(prefix.length) + url.search;
}

/** Two pools that together show so many ready proxies, as pools publish them. */
async function fill(env: Env, proxies: number): Promise<Response> {
	for (let pool = 0; pool < POOLS; pool++) {
		const name = `bench${pool}`;
		const entry = await enterPool(env.DB, {
			object: env.POOL.newUniqueId().toString(),
			provider: "digitalocean",
			name,
			endpoint: `digitalocean-${name}`,
			incarnation: 1,
			source: "api",
		});
		if (entry === null) throw new Error("the bench's pool could not be entered");
		const count = proxies / POOLS;
		const ready = Array.from(
			{ length: count },
			(_, index): ReadyEntry => [
				`proxy${pool}x${String(index).padStart(9, "0")}`,
				`10.${pool}.${Math.floor(index / 250)}.${(index % 250) + 1}`,
				1,
			],
		);
		const parts = Array.from({ length: Math.ceil(count / PART) }, (_, part) => ({
			part,
			proxies: ready.slice(part * PART, (part + 1) * PART),
		}));
		await publish(env.DB, {
			object: entry.object,
			incarnation: entry.incarnation,
			version: entry.version + 1,
			now: Date.now(),
			summary: {
				displayName: "Bench",
				run: "running",
				min: count,
				max: count,
				target: count,
				settings: { region: "lon1", size: "small" },
				wakes: false,
				reconciled: true,
				billable: count,
				problems: [],
				degraded: false,
				orphans: 0,
				foreign: { pools: 0, deployments: 0 },
			},
			credentials: { "1": ["user", "password"] },
			parts,
			partCount: parts.length,
			proxies: [],
			existing: null,
			gone: [],
			log: [],
		});
	}
	forgetEverything();
	return Response.json({ proxies });
}

/** Rows that D1 reads for the route named after `/rows`. */
async function rows(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
	let read = 0;
	const count = <T>(result: D1Result<T>): D1Result<T> => {
		read += result.meta.rows_read;
		return result;
	};
	const counted = (statement: D1PreparedStatement): D1PreparedStatement =>
		new Proxy(statement, {
			get: (target, name) => {
				if (name === "bind") return (...values: unknown[]) => counted(target.bind(...values));
				if (name === "all") return async () => count(await target.all());
				const value: unknown = Reflect.get(target, name);
				return typeof value === "function" ? value.bind(target) : value;
			},
		});
	const db = new Proxy(env.DB, {
		get: (target, name) => {
			if (name === "prepare") return (sql: string) => (sql.includes("settings") ? target.prepare(sql) : counted(target.prepare(sql)));
			if (name === "batch") return async (statements: D1PreparedStatement[]) => (await target.batch(statements)).map(count);
			const value: unknown = Reflect.get(target, name);
			return typeof value === "function" ? value.bind(target) : value;
		},
	});
	forgetEverything();
	const answer = await app.fetch(new Request(without(new URL(request.url), "/rows"), request), { ...env, DB: db }, ctx);
	if (!answer.ok) return answer;
	return Response.json({ status: answer.status, read });
}
