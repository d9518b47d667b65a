/** The destination of the real clients: one small web site over HTTP and over TLS, which remembers who asked it for what. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer, type IncomingHttpHeaders, type RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { Authority } from "../agent/authority.ts";
import { listen } from "../agent/harness.ts";

/** Resolved by the agent alone. */
export const ORIGIN_NAME = "origin.muster.test";

export interface Visit {
	/** The address that the request came from. */
	readonly from: string;
	readonly headers: IncomingHttpHeaders;
	/** The request's target as it was sent. */
	readonly target: string;
}

export interface Origin {
	readonly httpPort: number;
	readonly httpsPort: number;
	readonly visits: Visit[];
}

/** What a client has to bring home from the directory `/<secret>/`: 40 hex digits that are nowhere in its URL. */
export const answerOf = (secret: string): string => createHash("sha1").update(`answer ${secret}`).digest("hex");

/** Ends with the test. */
export async function startOrigin(authority: Authority): Promise<Origin> {
	const visits: Visit[] = [];
	const handler: RequestListener = (request, response) => {
		const target = request.url ?? "";
		// Some name the whole URL here too, which every server takes: RFC 9112, section 3.2.2.
		const path = new URL(target, "http://origin").pathname;
		visits.push({ target, from: request.socket.remoteAddress ?? "", headers: request.headers });
		const [, secret = "", ...rest] = path.split("/");
		const page = pages(answerOf(secret), `${request.headers.host}/${secret}`, "encrypted" in request.socket)[rest.join("/")];
		if (page === undefined) return response.writeHead(404, { "content-type": "text/plain" }).end("no such page\n");
		response.writeHead(200, { "content-type": page.kind, "content-length": Buffer.byteLength(page.body) });
		return response.end(request.method === "HEAD" ? undefined : page.body);
	};
	const tls = { key: readFileSync(authority.serverKey), cert: readFileSync(authority.serverCertificate) };
	const httpPort = await listen(createHttpServer(handler));
	const httpsPort = await listen(createHttpsServer(tls, handler));
	return { httpPort, httpsPort, visits };
}

/** The site's pages; each holds the answer in the form that one kind of client reads. */
function pages(answer: string, place: string, isTls: boolean): Record<string, { readonly kind: string; readonly body: string | Buffer }> {
	const json = (value: unknown) => ({ kind: "application/json", body: JSON.stringify(value) });
	const text = (body: string) => ({ kind: "text/plain", body });
	const root = `http${isTls ? "s" : ""}://${place}`;
	const crate = { name: "muster-probe", max_version: "1.0.0", description: answer };
	const packument = {
		name: "muster-probe",
		description: answer,
		"dist-tags": { latest: "1.0.0" },
		versions: { "1.0.0": { name: "muster-probe", version: "1.0.0", description: answer } },
	};
	return {
		"hello.txt": text(`Hello ${answer}\n`),
		"sound.wav": { kind: "audio/wav", body: wav(Buffer.from(answer)) },
		// Git's protocol for a server that only has files: gitprotocol-http(5).
		"repo.git/info/refs": text(`${answer}\trefs/heads/main\n`),
		"repo.git/HEAD": text("ref: refs/heads/main\n"),
		"npm/muster-probe": json(packument),
		"cargo/config.json": json({ dl: `${root}/cargo/dl`, api: `${root}/cargo` }),
		"cargo/api/v1/crates": json({ crates: [crate], meta: { total: 1 } }),
		"simple/muster-probe/": { kind: "text/html", body: `<!DOCTYPE html><a href="muster-probe-1.0.0.tar.gz">muster-probe-1.0.0.tar.gz</a>` },
		"maven/test/muster/parent/1/parent-1.pom": {
			kind: "application/xml",
			body: "<project><modelVersion>4.0.0</modelVersion><groupId>test.muster</groupId><artifactId>parent</artifactId><version>1</version><packaging>pom</packaging></project>",
		},
	};
}

/** A sound of these samples (16 bits, one channel), which a decoder gives back as they are. */
function wav(samples: Buffer): Buffer {
	const head = Buffer.alloc(44);
	head.write("RIFF", 0);
	head.writeUInt32LE(36 + samples.length, 4);
	head.write("WAVEfmt ", 8);
	head.writeUInt32LE(16, 16);
	head.writeUInt16LE(1, 20);
	head.writeUInt16LE(1, 22);
	head.writeUInt32LE(8000, 24);
	head.writeUInt32LE(16_000, 28);
	head.writeUInt16LE(2, 32);
	head.writeUInt16LE(16, 34);
	head.write("data", 36);
	head.writeUInt32LE(samples.length, 40);
	return Buffer.concat([head, samples]);
}
