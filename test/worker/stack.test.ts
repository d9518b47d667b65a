import { expect, test } from "vitest";

/** Gone from what runs, so that the lines below it differ there. */
interface Place {
	readonly line: number;
	readonly file: string;
}

function placeOf(error: Error): Place | null {
	const [, file = "", line = ""] = /(\w+\.test\.ts):(\d+):\d+/.exec(error.stack ?? "") ?? [];
	return file === "" ? null : { file, line: Number(line) };
}

test("the stack of an error names the line of the source", () => {
	expect(placeOf(new Error("here"))).toEqual({ file: "stack.test.ts", line: 15 });
});
