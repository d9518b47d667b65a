#!/bin/sh
# workerd 1.20260426.1 (miniflare 4.20260426.0; with 1.20261117.1 alike), seen on 2026-11-29.
# Guess: an alarm that a Durable Object's handler sets comes again, whatever time it names; what is past or present comes at once.
# Fact:  where the handler was called in the very millisecond that its alarm was set for, and sets one for that millisecond or an earlier one,
#        that one never comes: it is taken for the one being delivered. `getAlarm()` goes on showing it as set. A handler that is called a
#        millisecond or more late does get it, and so does one whose clock moves on meanwhile: it fails now and then.
# Seen:  set again for its own time: in time 11, of which come again 1; late 5, of which come again 5
#        set for a millisecond later: in time 11, of which come again 11; late 5, of which come again 5
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund miniflare@4.20260426.0 node@24.21.0 >/dev/null 2>&1
cat >lab.mjs <<'JS'
import { Miniflare } from "miniflare";
const script = `
import { DurableObject } from "cloudflare:workers";
export class Clock extends DurableObject {
	calls = [];
	async start(addMs) {
		this.addMs = addMs;
		this.at = Date.now() + 100;
		await this.ctx.storage.setAlarm(this.at);
	}
	async alarm() {
		this.calls.push(Date.now() - this.at);
		if (this.calls.length === 1) await this.ctx.storage.setAlarm(this.at + this.addMs);
	}
	async seen() {
		return { calls: this.calls, isSet: (await this.ctx.storage.getAlarm()) !== null };
	}
}
export default {
	async fetch(request, env) {
		const { pathname, searchParams } = new URL(request.url);
		const clock = env.CLOCK.getByName(searchParams.get("name"));
		return Response.json((pathname === "/start" ? await clock.start(Number(searchParams.get("add"))) : await clock.seen()) ?? null);
	},
};`;
const durableObjects = { CLOCK: { className: "Clock", useSQLite: true } };
const miniflare = new Miniflare({ modules: true, script, compatibilityDate: "2026-01-01", durableObjects });
const ask = async (path) => (await miniflare.dispatchFetch(`http://lab${path}`)).json();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const found = { 0: { inTime: [], late: [] }, 1: { inTime: [], late: [] } };
for (let round = 0; round < 100; round++) {
	const add = round % 2;
	await ask(`/start?name=${round}&add=${add}`);
	await pause(400);
	const { calls, isSet } = await ask(`/seen?name=${round}`);
	found[add][calls[0] === 0 ? "inTime" : "late"].push({ comesAgain: calls.length > 1, isSet });
	if (round >= 31 && found[0].inTime.length > 0 && found[1].inTime.length > 0) break;
}
await miniflare.dispose();
const count = (list) => `${list.length}, of which come again ${list.filter((one) => one.comesAgain).length}`;
console.log(`set again for its own time: in time ${count(found[0].inTime)}; late ${count(found[0].late)}`);
console.log(`set for a millisecond later: in time ${count(found[1].inTime)}; late ${count(found[1].late)}`);
const isSo =
	found[0].inTime.some((one) => !one.comesAgain && one.isSet) &&
	[...found[0].late, ...found[1].inTime, ...found[1].late].every((one) => one.comesAgain);
console.log(isSo ? "as stated" : "not as stated");
process.exit(isSo ? 0 : 1);
JS
node_modules/.bin/node lab.mjs
