/** In which countries a cloud has regions (zones, locations). Countries are ISO 3166-1 alpha-2, in lower case. */
export interface Countries {
	/** Every country that it has a region in. */
	readonly codes: readonly string[];
	/** That of a region or zone, however it is written; null where it is not known. */
	of(region: string): string | null;
}

/** `table`: by country its regions, a space between two. `regionOf`: the region of a zone, for clouds whose VMs are placed in zones. */
export function countriesBy(table: Readonly<Record<string, string>>, regionOf: (zone: string) => string = (zone) => zone): Countries {
	const countries = new Map(Object.entries(table).flatMap(([country, regions]) => regions.split(" ").map((region) => [region, country])));
	return {
		codes: Object.keys(table),
		of: (place) => {
			const region = place.toLowerCase();
			return countries.get(region) ?? countries.get(regionOf(region)) ?? null;
		},
	};
}
