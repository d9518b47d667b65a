import { test } from "vitest";
import { expectEven } from "./spread.ts";

test("200 proxies over four places stay even at each moment of their replacement", () => expectEven(200));
