/** The name under which the gateway itself answers. No request for it, or for a name below it, is ever passed on. */
export const internalHost = "onecli.internal";

/** Help for agents, plain http through the proxy. */
export const infoUrl = `http://${internalHost}/`;

/** Hosts below this one belong to runs of the doctor. */
export const doctorDomain = `doctor.${internalHost}`;

export function isInternal(host: string): boolean {
  return host === internalHost || host.endsWith(`.${internalHost}`);
}
