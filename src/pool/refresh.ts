import type { Ms } from "../core/model/state.ts";
import { fetchList } from "./list.ts";
import type { Live } from "./live.ts";
import { resolveAll } from "./resolve.ts";

/** Every tick that cron gives asks again; others, of requests that change facts, do not. */
const LOOK_UP_SPACING_MS = 45_000;

/** What a pool of static backends asks others for: the addresses of host names, and a list of proxies that somebody else keeps. */
export class Refresher {
	private readonly live: () => Live | null;
	private readonly now: () => Ms;
	private lookedUpAt = Number.NEGATIVE_INFINITY;
	private listedAt = Number.NEGATIVE_INFINITY;

	constructor(live: () => Live | null, now: () => Ms) {
		this.live = live;
		this.now = now;
	}

	async refresh(): Promise<void> {
		await Promise.all([this.refreshHosts(), this.refreshList()]);
	}

	/** Looks its static backends' host names up again, once a minute: cron ticks no oftener. What does not answer stays as it was. */
	private async refreshHosts(): Promise<void> {
		const names = this.live()?.settings.hostNames() ?? [];
		const now = this.now();
		if (names.length === 0 || (now >= this.lookedUpAt && now - this.lookedUpAt < LOOK_UP_SPACING_MS)) return;
		this.lookedUpAt = now;
		const found = await resolveAll(names);
		const live = this.live();
		if (live?.settings.rehost(found)) live.controller.configure();
	}

	/** Fetches its list of proxies once it is due; one that cannot be had is tried again a minute later. */
	private async refreshList(): Promise<void> {
		const list = this.live()?.settings.list() ?? null;
		const now = this.now();
		if (list === null || now < list.dueAt || (now >= this.listedAt && now - this.listedAt < LOOK_UP_SPACING_MS)) return;
		this.listedAt = now;
		const text = await fetchList(list.url);
		const live = this.live();
		// It may have got another address meanwhile.
		if (text === null || live === null || live.settings.list()?.url !== list.url) return;
		live.settings.relist(text, now);
		live.controller.configure();
	}
}
