/** `npm run client-types`: writes `clients/node/api.d.ts`, the types of the API as its description has them. It first installs what that takes. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { app } from "../src/http/app.ts";

const CLIENT = join(import.meta.dirname, "../clients/node");
const DOCUMENT = join(import.meta.dirname, "../dist/openapi.json");

const answer = await app.request("/openapi.json", {}, {} as never);
mkdirSync(join(DOCUMENT, ".."), { recursive: true });
writeFileSync(DOCUMENT, await answer.text());
execFileSync("npm", ["install", "--silent", "--no-audit", "--no-fund"], { cwd: CLIENT, stdio: "inherit" });
const [target = join(CLIENT, "api.d.ts")] = process.argv.slice(2);
execFileSync(process.execPath, [join(CLIENT, "node_modules/openapi-typescript/bin/cli.js"), DOCUMENT, "-o", target], { stdio: "inherit" });
