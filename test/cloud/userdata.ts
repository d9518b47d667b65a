import { gunzipSync } from "node:zlib";
import { parse } from "yaml";
import { z } from "zod";

/** What a VM does with its user data at its first boot, as far as the local cloud carries it out. */
export interface Boot {
	readonly files: readonly { readonly path: string; readonly content: Buffer; readonly mode: number }[];
	/** The units that its commands enable. */
	readonly units: readonly Unit[];
}

/** A systemd service, as far as the local cloud carries it out. */
export interface Unit {
	readonly name: string;
	readonly command: readonly string[];
	/** Name in the credentials directory, and the file that it is a copy of. */
	readonly credentials: readonly { readonly name: string; readonly path: string }[];
	readonly stateDirectory: string | null;
	readonly environment: Readonly<Record<string, string>>;
	/** Null: it is not started again when it ends. */
	readonly restartAfterMs: number | null;
}

const CloudConfig = z.looseObject({
	write_files: z
		.array(
			z.looseObject({
				path: z.string().startsWith("/"),
				content: z.union([z.string(), z.instanceof(Uint8Array)]).default(""),
				encoding: z.string().default("text/plain"),
				permissions: z.union([z.string(), z.number()]).optional(),
			}),
		)
		.default([]),
	runcmd: z.array(z.union([z.string(), z.array(z.union([z.string(), z.number()]))])).default([]),
});

/**
 * Reads user data as cloud-init does: `#cloud-config` with `write_files` and `runcmd`.
 * Throws an Error that says what is wrong with it.
 */
export function readUserData(userData: string): Boot {
	if (!userData.startsWith("#cloud-config\n")) throw new Error("the user data does not begin with a line '#cloud-config'");
	const config = CloudConfig.parse(parse(userData));
	const files = config.write_files.map((file) => ({
		path: file.path,
		content: decode(typeof file.content === "string" ? file.content : Buffer.from(file.content), file.encoding),
		mode: Number.parseInt(String(file.permissions ?? "0644"), 8),
	}));
	const enabled = config.runcmd.flatMap(enabledUnits);
	const units = enabled.map((name) => {
		const file = files.find((candidate) => candidate.path === `/etc/systemd/system/${name}`);
		if (!file) throw new Error(`the unit '${name}' is enabled, and not among write_files`);
		return readUnit(name, file.content.toString("utf8"));
	});
	return { files, units };
}

/** By cloud-init's names for encodings (cc_write_files). */
function decode(content: string | Buffer, encoding: string): Buffer {
	const isGzip = /^(gz|gzip)\b/.test(encoding);
	const isBase64 = /(^|\+)(b64|base64)$/.test(encoding);
	if (!isGzip && !isBase64 && encoding !== "text/plain") throw new Error(`write_files: unknown encoding '${encoding}'`);
	const bytes = typeof content !== "string" ? content : isBase64 ? Buffer.from(content, "base64") : Buffer.from(content);
	return isGzip ? gunzipSync(bytes) : bytes;
}

/** The services that one command of `runcmd` enables and starts. */
function enabledUnits(command: string | readonly (string | number)[]): readonly string[] {
	const words = typeof command === "string" ? command.split(/\s+/) : command.map(String);
	if (words[0] !== "systemctl" || !words.includes("enable") || !words.includes("--now")) return [];
	return words
		.slice(1)
		.filter((word) => word !== "enable" && !word.startsWith("-"))
		.map((name) => (name.includes(".") ? name : `${name}.service`));
}

function readUnit(name: string, text: string): Unit {
	const settings = new Map<string, string[]>();
	let section = "";
	for (const line of text.split("\n").map((raw) => raw.trim())) {
		if (/^\[.*\]$/.test(line)) section = line;
		const [, key, value] = /^([A-Za-z]+)\s*=\s*(.*)$/.exec(line) ?? [];
		if (section === "[Service]" && key !== undefined && value !== undefined) settings.set(key, [...(settings.get(key) ?? []), value]);
	}
	const last = (key: string) => settings.get(key)?.at(-1) ?? null;
	const command = last("ExecStart")?.split(/\s+/).filter(Boolean) ?? [];
	if (command.length === 0) throw new Error(`the unit '${name}' has no ExecStart`);
	const environment = (settings.get("Environment") ?? []).flatMap((line) =>
		line.split(/\s+/).map((pair) => pair.replaceAll('"', "").split(/=(.*)/s)),
	);
	return {
		name,
		command,
		credentials: (settings.get("LoadCredential") ?? []).map((pair) => {
			const [credential, path] = pair.split(/:(.*)/s);
			return { name: credential ?? "", path: path ?? "" };
		}),
		stateDirectory: last("StateDirectory"),
		environment: Object.fromEntries(environment.map(([key, value]) => [key ?? "", value ?? ""])),
		restartAfterMs: ["always", "on-failure"].includes(last("Restart") ?? "no") ? seconds(last("RestartSec") ?? "100ms") : null,
	};
}

/** systemd's time spans, as far as units use them: `1`, `1s`, `100ms`. */
function seconds(span: string): number {
	const [, number, unit] = /^([\d.]+)(ms|s|min)?$/.exec(span) ?? [];
	if (number === undefined) throw new Error(`RestartSec: '${span}' is no time span`);
	return Number(number) * (unit === "ms" ? 1 : unit === "min" ? 60_000 : 1000);
}
