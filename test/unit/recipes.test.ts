/** How many files CONTRIBUTING's recipes touch: what an effect or a cloud consists of, and that nothing else names it. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { EFFECTS } from "../../src/core/effects/index.ts";
import { PROVIDERS } from "../../src/providers/index.ts";

const PROJECT = join(import.meta.dirname, "../..");

const filesBelow = (folder: string) =>
	readdirSync(join(PROJECT, folder), { recursive: true, encoding: "utf8" }).map((file) => `${folder}/${file.replaceAll("\\", "/")}`);
const textOf = (file: string) => readFileSync(join(PROJECT, file), "utf8");
const TEXTS = ["src", "scripts", "test/cloud", "test/simulation", "test/worker", "test/e2e"]
	.flatMap(filesBelow)
	.filter((file) => /\.tsx?$/.test(file) && !/node_modules|generated/.test(file))
	.map((file) => [file, textOf(file)] as const);

describe("an effect", () => {
	const fileOf = (call: string) => `${call.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}.ts`;

	test("is one file, and one that carries it out", () => {
		const rooms = EFFECTS.map(({ call }) => `src/core/effects/${fileOf(call)}`);
		expect(
			filesBelow("src/core/effects")
				.filter((file) => !/\/(index|room)\.ts$/.test(file))
				.sort(),
		).toEqual(rooms.sort());
		// An orphan is deleted as a proxy's VM is.
		const calls = EFFECTS.map(({ call }) => `src/calls/${call === "deleteOrphan" ? "delete.ts" : fileOf(call)}`);
		expect(filesBelow("src/calls")).toEqual(expect.arrayContaining(calls));
	});

	test("is treated apart from others nowhere but where this list says", () => {
		const apart = TEXTS.filter(([file]) => file.startsWith("src/") && !file.startsWith("src/core/effects/")).flatMap(([file, text]) =>
			[...text.matchAll(/\bcall === "(\w+)"/g)].map(([, call]) => `${file}: ${call}`),
		);
		expect([...new Set(apart)].sort()).toEqual([
			// What may have made a VM though it failed.
			"src/calls/index.ts: create",
			"src/calls/index.ts: finish",
			// Who waits until a VM has its tags, or something is shown, waits for these.
			"src/controller/controller.ts: adopt",
			"src/controller/controller.ts: publish",
			"src/controller/pass.ts: publish",
		]);
	});
});

describe("a cloud", () => {
	/** Those of which no test makes an example. */
	test.each(["linode", "openstack"])("%s is named outside its folder and its dialect's files in three lists", (cloud) => {
		const isOwn = (file: string) => file.startsWith(`src/providers/${cloud}/`) || file.startsWith(`test/cloud/${cloud}`);
		const others = TEXTS.filter(([file, text]) => !isOwn(file) && text.toLowerCase().includes(cloud)).map(([file]) => file);
		const ofContract = others.filter((file) => file.startsWith("test/cloud/contract"));
		expect(ofContract).toContain("test/cloud/contract-clouds.ts");
		expect(others.filter((file) => !ofContract.includes(file))).toEqual(["src/providers/index.ts", "test/cloud/dialects.ts"]);
	});

	test.each(Object.keys(PROVIDERS))("%s has its driver, settings, countries, dialect and page", (cloud) => {
		const files = ["driver", "settings", "countries"].map((name) => `src/providers/${cloud}/${name}.ts`);
		for (const file of [...files, `test/cloud/${cloud}.ts`, `docs/providers/${cloud}.md`]) expect(textOf(file), file).not.toBe("");
	});
});
