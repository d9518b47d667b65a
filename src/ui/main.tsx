import "uplot/dist/uPlot.min.css";
import "./app.css";
import { render } from "preact";
import { begin } from "./model/store.ts";
import { Shell } from "./views/shell.tsx";
import "./model/theme.ts";

const root = document.getElementById("app");
if (root === null) throw new Error("The page has no place for the console.");
render(<Shell />, root);
begin();
