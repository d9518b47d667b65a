/** What the gateway has done since it started; `metrics.ts` says what each is. */
export class Stats {
	connections = 0;
	requests = 0;
	tunnels = 0;
	openTunnels = 0;
	tunnelBytesUp = 0;
	tunnelBytesDown = 0;
	failovers = 0;
	refused = 0;
	held = 0;
}
