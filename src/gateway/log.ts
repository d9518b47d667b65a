/** Says a line to whoever runs the gateway. Neither keys nor credentials nor what clients ask for are ever in it. */
export type Log = (line: string) => void;
