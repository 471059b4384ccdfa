// Apart from webviewProtocol.ts, which the host loads when the dashboard is opened.

/** A page from before an update of the extension is told to load anew. */
export const protocolVersion = 1;

/** Records of activity that host and page keep. */
export const activityCapacity = 1_000;
