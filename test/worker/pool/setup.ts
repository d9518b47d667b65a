import { reset } from "cloudflare:test";
import { forgetHealth } from "../../../src/http/cloudproxy/health.ts";
import { forgetEverything } from "../../../src/read-model/ready.ts";

// Files run one after the other in one runtime: what the one before stored, its pools among it, and what the Worker remembers of that is nothing to this one.
await reset();
forgetEverything();
forgetHealth();
