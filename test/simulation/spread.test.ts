import { test } from "vitest";
import { expectEven } from "./spread.ts";

test("40 proxies over four places stay even at each moment of their replacement", () => expectEven(40));
