import { DurableObject } from "cloudflare:workers";
import agent from "./agent/agent.py";
export class Pool extends DurableObject {}
export default { fetch: () => new Response(agent) } satisfies ExportedHandler;
