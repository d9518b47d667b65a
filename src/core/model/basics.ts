/** An instant (milliseconds since the Unix epoch) or a duration in milliseconds. */
export type Ms = number;
/** An intent's id, minted when the intent is stored. The VM's name is `muster-<deployment>-<id>`. */
export type Id = string;

/** The clouds that Muster knows. */
export type CloudName = "digitalocean" | "aws" | "gcp" | "hetzner" | "vultr" | "azure" | "scaleway";
/** `static`: no cloud at all. Such a pool lists and creates nothing; it has backends that others run, or none. */
export type ProviderName = CloudName | "static";

/** By name: how much the value weighs in an average, and the value. */
export type Metrics = Readonly<Record<string, readonly [weight: number, value: number]>>;

export type Severity = "INFO" | "WARNING" | "ERROR";

/** Where agents listen. */
export const AGENT_PORT = 8899;
