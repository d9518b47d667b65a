import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { leftBehind } from "../../scripts/leftovers.ts";
import { Dev, NODE, temporaryState, within } from "./harness.ts";

const run = promisify(execFile);
const SCRIPT = join(import.meta.dirname, "../../scripts/teardown.ts");

const state = temporaryState();
let dev: Dev;
beforeAll(async () => {
	dev = await Dev.start(state.directory);
});
afterAll(async () => {
	await dev?.stop();
	state.remove();
});

test("teardown empties every pool and says when no VM exists any more, whatever is charged for what it had begun", async () => {
	await within(30_000, async () => expect(await dev.proxies()).toHaveLength(2));
	const { stdout } = await run(NODE, [SCRIPT, `http://127.0.0.1:${dev.port}`]);
	expect(stdout).toMatch(
		/stopped digitalocean-default\n(?:\d VMs? exists?\n)*0 VMs exist\nNo VM exists any more\.\nWhat 2 VMs had begun, a minute or an hour, is charged to its end, and no more\.\n/,
	);
	// What it names is what there is: the firewall, and the tags of this deployment's VMs.
	expect(stdout).toMatch(
		/npx wrangler delete .*\n.*npx wrangler d1 delete .*\n {2}digitalocean {2}the firewall muster-<deployment>; the tags muster, /,
	);
	const firewalls = await fetch(`http://127.0.0.1:${dev.cloudPort}/digitalocean/v2/firewalls`, {
		headers: { authorization: "Bearer local-dev" },
	});
	expect(await firewalls.json()).toMatchObject({ firewalls: [{ name: expect.stringMatching(/^muster-[a-z0-9]+$/) }] });
	expect(await dev.vms()).toEqual([]);
});

test("teardown of what is no deployment fails, and says so", async () => {
	const failed = await run(NODE, [SCRIPT, `http://127.0.0.1:${dev.cloudPort}`]).catch((error: { stderr: string }) => error.stderr);
	expect(failed).toMatch(/^Not every pool was stopped: GET \/v1\.1\/endpoints: HTTP 404/);
});

test("teardown sends the key nowhere in clear", async () => {
	const failed = await run(NODE, [SCRIPT, "http://192.0.2.1"]).catch((error: { stderr: string }) => error.stderr);
	expect(failed).toBe("http://192.0.2.1 is not https: the key would travel in clear.\n");
});

test("what is left is named for the Worker that was torn down, and for the clouds that it used", () => {
	expect(leftBehind("https://muster-two.someone.workers.dev", ["aws", "static", "azure"]).split("\n")).toEqual([
		"  Worker        npx wrangler delete --name muster-two",
		"  database      npx wrangler d1 delete muster-two",
		"  aws           the security group muster-<deployment>, in each region used",
		"  azure         the network and the network security group muster-<deployment>-<location>, in each location used",
	]);
});
