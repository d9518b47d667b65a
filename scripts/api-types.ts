/**
 * Writes the types of the API that the console is held to (`src/ui/generated/api.d.ts`), from the description that the Worker answers; or those of
 * the Node client (`npm run client-types`), into the file that is named. Part of `npm run check`; neither is kept, so that there is no second
 * copy of the API's shapes.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { app } from "../src/http/app.ts";

const PROJECT = join(import.meta.dirname, "..");
const GENERATOR = join(import.meta.dirname, "api-types/node_modules/openapi-typescript/bin/cli.js");

const answer = await app.request("/openapi.json", {}, {} as never);
if (answer.status !== 200) throw new Error(`/openapi.json answered ${answer.status}`);
const description = join(PROJECT, "dist/openapi.json");
mkdirSync(join(PROJECT, "dist"), { recursive: true });
writeFileSync(description, `${JSON.stringify(await answer.json(), null, "\t")}\n`);
const target = resolve(PROJECT, process.argv[2] ?? "src/ui/generated/api.d.ts");
const { status, stderr } = spawnSync(process.execPath, [GENERATOR, description, "--empty-objects-unknown", "--output", target], {
	encoding: "utf8",
});
if (status !== 0) throw new Error(`openapi-typescript failed: ${stderr}`);
