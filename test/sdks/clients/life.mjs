import { setTimeout as sleep } from "node:timers/promises";

/** What the test tells a client: where the cloud is, and what the VM shall be called and boot from. */
export const { CLOUD_URL: url = "", VM_NAME: name = "", VM_USER_DATA: userData = "" } = process.env;

const PATIENCE_MS = 20_000;
const LOOK_MS = 50;
/** Longer than a boot takes at the test's cloud. */
const BOOT_MS = 500;

/** Looks until `isSo` holds of what is seen, and gives that; throws after a while, with what was seen last. */
async function until(look, isSo) {
	const deadline = Date.now() + PATIENCE_MS;
	for (;;) {
		const seen = await look();
		if (isSo(seen)) return seen;
		if (Date.now() > deadline) throw new Error(`it stays so: ${JSON.stringify(seen)}`);
		await sleep(LOOK_MS);
	}
}

const tell = (step, facts = {}) => console.log(JSON.stringify({ step, ...facts }));

/**
 * Takes a VM through its life with a cloud's client, and tells each step in a line of JSON. A client gives
 * `list()` → names, `create()` → id, `show(id)` → `{name, isRunning, address}`, `reboot(id)` and `remove(id)`.
 */
export async function live({ list, create, show, reboot, remove }) {
	tell("list", { names: await list() });
	const id = await create();
	tell("create");
	const shown = await until(
		() => show(id),
		({ isRunning, address }) => isRunning && Boolean(address),
	);
	tell("show", { name: shown.name, address: shown.address });
	tell("list", { names: await list() });
	await sleep(BOOT_MS);
	await reboot(id);
	tell("reboot");
	await sleep(BOOT_MS);
	await until(
		() => show(id),
		({ isRunning }) => isRunning,
	);
	await remove(id);
	tell("delete");
	tell("list", { names: await until(list, (names) => names.length === 0) });
}
