import type { Client } from "../client.ts";
import { BROWSERS } from "./browsers.ts";
import { COMMANDS } from "./commands.ts";
import { LANGUAGES } from "./languages.ts";
import { NODE_CLIENTS } from "./node.ts";
import { PACKAGE_MANAGERS } from "./packages.ts";
import { PYTHON_CLIENTS } from "./python.ts";
import { TUNNELS } from "./tunnels.ts";

/** All clients that `npm run test:clients` knows; `docs/clients.md` says more of each, and of those that it does not run. */
export const CLIENTS: readonly Client[] = [
	...COMMANDS,
	...PACKAGE_MANAGERS,
	...PYTHON_CLIENTS,
	...NODE_CLIENTS,
	...BROWSERS,
	...LANGUAGES,
	...TUNNELS,
];
