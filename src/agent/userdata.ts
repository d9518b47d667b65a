/**
 * User data: what a VM reads from its cloud at its first boot. It carries the agent, its unit and its configuration, so
 * that a boot needs no package mirror and no download.
 */
import { gzipped, gzippedShort } from "./gzip.ts";
import type { AgentConfig } from "./protocol.ts";

/**
 * EC2's limit (docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html), before its base64 and for what is sent: there the text
 * goes gzipped, which cloud-init undoes (its documentation, "User data formats").
 */
export const MAX_USER_DATA_BYTES = 16_384;
/** Hetzner's, the smallest of those that take plain text. */
export const MAX_USER_DATA_TEXT_BYTES = 32_768;

/** Of the agent as it is shipped a gzip file in base64 (scripts/shipped.ts), and the text of `src/agent/muster-agent.service`. The Worker has them from `src/agent/files.ts`. */
export interface AgentFiles {
	readonly agent: string;
	readonly unit: string;
}

/**
 * The `#cloud-config` that boots the agent with this configuration (JSON, which is YAML too).
 * Throws when it is over a cloud's limit: of what it holds, only a long list of allowed networks can do that.
 */
export async function renderUserData(config: AgentConfig, files: AgentFiles): Promise<string> {
	const writeFiles = [
		{ path: "/usr/local/lib/muster/agent.py", permissions: "0644", encoding: "gz+b64", content: files.agent },
		{
			path: "/etc/muster/agent.json",
			permissions: "0600",
			encoding: "gz+b64",
			content: packed(JSON.stringify(config)),
		},
		{ path: "/etc/systemd/system/muster-agent.service", permissions: "0644", encoding: "gz+b64", content: packed(files.unit) },
	];
	const runcmd = [
		["systemctl", "daemon-reload"],
		["systemctl", "enable", "--now", "--no-block", "muster-agent"],
	];
	const userData = `#cloud-config\n${JSON.stringify({ write_files: writeFiles, runcmd })}\n`;
	for (const [size, most] of [
		[(await gzipped(userData)).length, MAX_USER_DATA_BYTES],
		[Buffer.byteLength(userData), MAX_USER_DATA_TEXT_BYTES],
	] as const) {
		if (size > most)
			throw new Error(`the user data has ${size} bytes, ${most} are possible: allow fewer networks (${config.allow.length} now)`);
	}
	return userData;
}

function packed(text: string): string {
	return Buffer.from(gzippedShort(text)).toString("base64");
}
