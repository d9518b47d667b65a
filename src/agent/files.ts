/**
 * The agent, packed, and its unit as the Worker's bundle carries them; `scripts/assets.ts` makes the former of `agent.py` before each build. Only
 * the Worker can load this file: Node knows no text imports.
 */
import agent from "../../dist/agent.txt";
import unit from "./muster-agent.service";
import type { AgentFiles } from "./userdata.ts";

export const agentFiles: AgentFiles = { agent, unit };
