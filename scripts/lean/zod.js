// What stands for "zod" in the Worker's bundle (`alias` in wrangler.toml): all that zod exports but its messages in fifty other languages, and what
// reads and writes JSON Schema. chanfana hands the whole of `z` on as a value, and then no bundler can tell what of it is used.
import * as z from "./zod.js";

export * from "../../node_modules/zod/v4/classic/checks.js";
export * as coerce from "../../node_modules/zod/v4/classic/coerce.js";
export * from "../../node_modules/zod/v4/classic/compat.js";
export * from "../../node_modules/zod/v4/classic/errors.js";
export * from "../../node_modules/zod/v4/classic/in-out.js";
export * as iso from "../../node_modules/zod/v4/classic/iso.js";
export * from "../../node_modules/zod/v4/classic/parse.js";
export * from "../../node_modules/zod/v4/classic/schemas.js";
export {
	clone,
	config,
	flattenError,
	formatError,
	globalRegistry,
	INVALID,
	NEVER,
	prettifyError,
	registry,
	treeifyError,
} from "../../node_modules/zod/v4/core/index.js";
export { z, z as default };
