import { expect, test } from "vitest";
import { readOptions } from "../../src/gateway/options.ts";

const read = (args: string, env: Record<string, string> = {}) => readOptions(args.split(" "), env);
const URL_AND_KEY = "--url https://muster.test --key k3y";

test("the gateway listens on loopback for everyone there, and knows Muster by options or by the environment", () => {
	expect(read(URL_AND_KEY)).toMatchObject({
		...{ url: "https://muster.test", key: "k3y", listen: { host: "127.0.0.1", port: 8888 }, user: null },
		...{ sessions: [], metrics: null, drainSeconds: 30 },
	});
	expect(readOptions([], { MUSTER_URL: "https://muster.test/", MUSTER_KEY: "k3y" })).toMatchObject({
		url: "https://muster.test",
		key: "k3y",
	});
	expect(
		read(`${URL_AND_KEY} --listen [::]:80 --user me:a:b --sessions 9001-9003 --watch-status 403,429 --metrics 9100 --drain 5`),
	).toMatchObject({
		...{ listen: { host: "::", port: 80 }, user: { name: "me", password: "a:b" }, sessions: [9001, 9002, 9003] },
		...{ watchStatus: new Set([403, 429]), metrics: { host: "127.0.0.1", port: 9100 }, drainSeconds: 5 },
	});
	expect(read("--help")).toBeNull();
});

test("options that cannot be followed are refused by name, and never repeat a key", () => {
	for (const [args, message] of [
		["--key k3y", "--url is missing"],
		["--url ftp://muster.test --key k3y", "--url must be"],
		["--url https://user:k3y@muster.test", "--url must be"],
		["--url http://muster.test --key k3y", "in clear"],
		[`${URL_AND_KEY} --listen 0.0.0.0:80`, "open proxy"],
		[`${URL_AND_KEY} --listen nowhere`, "--listen must be"],
		[`${URL_AND_KEY} --listen 127.0.0.1:70000`, "--listen must be"],
		[`${URL_AND_KEY} --user me`, "--user must be"],
		[`${URL_AND_KEY} --sessions 9010-9001`, "--sessions must be"],
		[`${URL_AND_KEY} --sessions 1-9001`, "1000 ports at most"],
		[`${URL_AND_KEY} --watch-status 200`, "from 300"],
		[`${URL_AND_KEY} --drain soon`, "--drain must be"],
		[`${URL_AND_KEY} --nothing`, "--nothing is not understood"],
		["--url https://muster.test k3y", "a word too many"],
	] as const) {
		let said = "";
		try {
			read(args);
		} catch (error) {
			said = String(error);
		}
		expect(said, args).toContain(message);
		expect(said).not.toContain("k3y");
	}
});
