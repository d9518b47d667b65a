/**
 * User data: what a VM reads from its cloud at its first boot. It carries the agent, its unit and its configuration, so
 * that a boot needs no package mirror and no download.
 */
import type { AgentConfig } from "./protocol.ts";

/** EC2's limit, the smallest of all our clouds' (docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html), before its base64. */
export const MAX_USER_DATA_BYTES = 16_384;

/** The texts of `src/agent/agent.py` and `src/agent/muster-agent.service`. The Worker has them from `src/agent/files.ts`. */
export interface AgentFiles {
	readonly agent: string;
	readonly unit: string;
}

/**
 * The `#cloud-config` that boots the agent with this configuration (JSON, which is YAML too).
 * Throws when it is over {@link MAX_USER_DATA_BYTES}: of what it holds, only a long list of allowed networks can do that.
 */
export async function renderUserData(config: AgentConfig, files: AgentFiles): Promise<string> {
	const writeFiles = [
		{ path: "/usr/local/lib/muster/agent.py", permissions: "0644", encoding: "gz+b64", content: await packed(shipped(files.agent)) },
		{ path: "/etc/muster/agent.json", permissions: "0600", encoding: "b64", content: base64(encode(JSON.stringify(config))) },
		{ path: "/etc/systemd/system/muster-agent.service", permissions: "0644", encoding: "gz+b64", content: await packed(files.unit) },
	];
	const runcmd = [
		["systemctl", "daemon-reload"],
		["systemctl", "enable", "--now", "--no-block", "muster-agent"],
	];
	const userData = `#cloud-config\n${JSON.stringify({ write_files: writeFiles, runcmd }, null, 1)}\n`;
	const size = encode(userData).length;
	if (size > MAX_USER_DATA_BYTES)
		throw new Error(
			`the user data has ${size} bytes, ${MAX_USER_DATA_BYTES} are possible: allow fewer networks (${config.allow.length} now)`,
		);
	return userData;
}

/**
 * The agent without its comment lines, doc strings and blank lines: a quarter of it, which nobody reads on a VM and 16 KB
 * have no room for. Relies on agent.py having no other triple-quoted string; a test compares the two as Python parses them.
 */
export function shipped(agent: string): string {
	return agent
		.replaceAll(/^[ \t]*"""[\s\S]*?"""\n/gm, "")
		.replaceAll(/^[ \t]*#.*\n/gm, "")
		.replaceAll(/\n\n+/g, "\n");
}

/** Packed texts by their sources: only a few exist, and each create needs them. Strings, since promises belong to one request. */
const packedTexts = new Map<string, string>();

async function packed(text: string): Promise<string> {
	const known = packedTexts.get(text);
	if (known !== undefined) return known;
	const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
	const result = base64(new Uint8Array(await new Response(stream).arrayBuffer()));
	packedTexts.set(text, result);
	return result;
}

function encode(text: string): Uint8Array {
	return new TextEncoder().encode(text);
}

function base64(bytes: Uint8Array): string {
	return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}
