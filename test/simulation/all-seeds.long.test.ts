import { test } from "vitest";
import { expectKept } from "./keeping.ts";

const SEEDS = 2_000;
const HOURS = 12;

test(`${SEEDS} seeds of ${HOURS} simulated hours break no promise`, async () => {
	await expectKept(1, SEEDS, HOURS);
});
