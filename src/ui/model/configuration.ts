/** An endpoint's configuration as a form holds it, and as text. */
import type { components } from "../generated/api.d.ts";

export interface Field {
	readonly type: string;
	readonly label: string;
	readonly description: string;
	readonly order: number;
	readonly default?: string;
}
export type Form = Readonly<Record<string, Readonly<Record<string, Field>>>>;
export type Values = Readonly<Record<string, Readonly<Record<string, string>>>>;
export type Schemas = components["schemas"];

/** What is kept and does nothing is no field of this form: the text has it. */
export const inert = ({ type, description }: Field): boolean => type === "hidden" || description.includes("of no effect");

export function valuesOf(configuration: Readonly<Record<string, Readonly<Record<string, unknown>>>>): Values {
	const text = (value: unknown) => (value === null || value === undefined ? "" : Array.isArray(value) ? value.join(", ") : String(value));
	return Object.fromEntries(
		Object.entries(configuration).map(([section, values]) => [
			section,
			Object.fromEntries(Object.entries(values).map(([key, value]) => [key, text(value)])),
		]),
	);
}

/** What is posted: without what is left empty, and without other clouds. */
export function withoutEmpty(values: Values, cloud: string): Values {
	return Object.fromEntries(
		Object.entries(values)
			.filter(([section]) => !section.startsWith("cloud:") || section === `cloud:${cloud}`)
			.map(([section, fields]) => [section, Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ""))] as const)
			.filter(([, fields]) => Object.keys(fields).length > 0),
	);
}

/** As INI text. */
export function textOf(values: Values): string {
	return Object.entries(values)
		.map(
			([section, fields]) =>
				`[${section}]\n${Object.entries(fields)
					.map(([key, value]) => `${key} = ${value}\n`)
					.join("")}`,
		)
		.join("\n");
}

/** What nearly every endpoint states; the rest has a default that is good. */
const MAIN: Readonly<Record<string, readonly string[]>> = {
	endpoint: ["cloud"],
	scaling: ["min_instances", "max_instances", "rules", "max_hourly_cost"],
};

export function isMain(section: string, name: string, cloud: string): boolean {
	if (section === "endpoint" && cloud === "" && name === "static_instances") return true;
	return section.startsWith("cloud:") || (MAIN[section]?.includes(name) ?? false);
}

/** The sections to show: those of every endpoint, and those of its cloud; each with its fields in order. */
export function sectionsFor(form: Form, cloud: string): readonly (readonly [string, readonly (readonly [string, Field])[]])[] {
	return Object.entries(form)
		.filter(([section]) => !section.startsWith("cloud:") || section === `cloud:${cloud}`)
		.map(([section, fields]) => [section, Object.entries(fields).sort(([, a], [, b]) => a.order - b.order)] as const);
}
