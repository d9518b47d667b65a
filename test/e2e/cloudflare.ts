import { createServer, type IncomingMessage } from "node:http";
import { DatabaseSync } from "node:sqlite";

/**
 * A Cloudflare account on loopback, as far as `wrangler deploy` and `wrangler d1 migrations apply` use one: Workers that are kept as they
 * were uploaded, and databases of SQLite. wrangler talks to it where CLOUDFLARE_API_BASE_URL names it.
 */
export class CloudflareAccount {
	readonly databases = new Map<string, DatabaseSync>();
	readonly workers = new Map<string, Upload>();
	/** `METHOD path` of each call, in order. */
	readonly calls: string[] = [];
	readonly #server = createServer((request, response) => {
		void this.#answer(request).then(({ status, result }) => {
			const isFine = status < 400;
			// How wrangler tells a database that there is not from other failures, and a Worker.
			const code = request.url?.includes("/d1/") ? 7404 : 10090;
			const body = { success: isFine, errors: isFine ? [] : [{ code, message: "not found" }], messages: [], result };
			response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
		});
	});

	async listen(): Promise<string> {
		await new Promise<void>((done) => this.#server.listen(0, "127.0.0.1", done));
		const address = this.#server.address();
		return `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
	}

	async close(): Promise<void> {
		await new Promise((done) => this.#server.close(done).closeAllConnections());
	}

	/** Makes a database; its id is made of its name. */
	create(name: string): DatabaseSync {
		const database = new DatabaseSync(":memory:");
		this.databases.set(name, database);
		return database;
	}

	/** The names of a database's tables of ours. */
	tables(name: string): readonly string[] {
		const rows = this.databases.get(name)?.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all() ?? [];
		return rows.map((row) => String(row.name)).filter((table) => !table.startsWith("sqlite_"));
	}

	async #answer(request: IncomingMessage): Promise<{ readonly status: number; readonly result: unknown }> {
		const chunks: Buffer[] = [];
		for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
		const body = Buffer.concat(chunks);
		const { pathname } = new URL(request.url ?? "/", "http://api.test");
		const path = pathname.replace(/^\/accounts\/[^/]+/, "");
		this.calls.push(`${request.method} ${path}`);
		const found = (result: unknown) => ({ status: result === null ? 404 : 200, result });
		const [, idOrName] = /^\/d1\/database\/([^/]+)/.exec(path) ?? [];
		const [, worker] = /^\/workers\/(?:scripts|services)\/([^/]+)/.exec(path) ?? [];
		if (path === "/d1/database" && request.method === "POST") {
			const { name } = JSON.parse(body.toString()) as { name: string };
			this.create(name);
			return found(shown(name));
		}
		if (path === "/d1/database") return found([...this.databases.keys()].map(shown));
		if (idOrName !== undefined) {
			const name = [...this.databases.keys()].find((each) => [each, idOf(each)].includes(decodeURIComponent(idOrName)));
			const database = name === undefined ? undefined : this.databases.get(name);
			if (name === undefined || database === undefined) return found(null);
			return found(path.endsWith("/query") ? query(database, body.toString()) : shown(name));
		}
		if (worker !== undefined && path === `/workers/scripts/${worker}` && request.method === "PUT") {
			this.workers.set(worker, await uploadOf(request, body));
			return found({ id: worker, deployment_id: "d1", startup_time_ms: 1 });
		}
		if (path.endsWith("/assets-upload-session")) return found({ jwt: "done", buckets: [] });
		if (path === "/workers/subdomain") return found({ subdomain: "example" });
		if (worker !== undefined && request.method === "GET") {
			const upload = this.workers.get(worker);
			if (path === `/workers/services/${worker}`) {
				return found(upload === undefined ? null : { default_environment: { script: { last_deployed_from: "wrangler" } } });
			}
			if (path.endsWith("/deployments"))
				return found({ deployments: upload === undefined ? [] : [{ id: "d1", source: "wrangler", versions: [] }] });
			if (path.endsWith("/secrets")) return found(upload === undefined ? null : []);
			return found(upload === undefined ? null : { bindings: upload.bindings, enabled: true, previews_enabled: true });
		}
		// The newer interface, of which wrangler asks where the Worker is to be reached.
		if (path.startsWith("/workers/workers/")) return found({ subdomain: { enabled: true, previews_enabled: true } });
		return found({});
	}
}

/** What wrangler says of a Worker as it uploads it (`metadata` of the form). */
export interface Upload {
	readonly bindings: readonly { readonly type: string; readonly name: string; readonly id?: string }[];
	/** Kinds of bindings that stay as they are, though the upload does not name them. */
	readonly keep_bindings?: readonly string[];
}

export const idOf = (name: string): string => `id-of-${name}`;
const shown = (name: string) => ({ uuid: idOf(name), name });

async function uploadOf(request: IncomingMessage, body: Buffer): Promise<Upload> {
	const headers = { "content-type": request.headers["content-type"] ?? "" };
	const form = await new Response(new Uint8Array(body), { headers }).formData();
	return JSON.parse(String(form.get("metadata"))) as Upload;
}

/** One result, of the last statement: D1 has one for each, and wrangler looks at the first of a list that it asks for by itself. */
function query(database: DatabaseSync, body: string): unknown {
	const { sql } = JSON.parse(body) as { sql: string };
	const isRead = /^\s*SELECT/i.test(sql);
	const results = isRead ? database.prepare(sql).all() : [];
	if (!isRead) database.exec(sql);
	return [{ success: true, results, meta: { duration: 0 } }];
}
