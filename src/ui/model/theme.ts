/** Dark or light by the system, unless the viewer has chosen. */
import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";
const KEY = "muster-theme";
const kept = localStorage.getItem(KEY);

export const theme = signal<Theme>(kept === "light" || kept === "dark" ? kept : "system");

effect(() => {
	const { documentElement } = document;
	if (theme.value === "system") {
		documentElement.removeAttribute("data-theme");
		localStorage.removeItem(KEY);
	} else {
		documentElement.setAttribute("data-theme", theme.value);
		localStorage.setItem(KEY, theme.value);
	}
});
