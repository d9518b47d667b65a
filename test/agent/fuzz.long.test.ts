import { fuzz } from "./fuzz.ts";

fuzz(30_000);
