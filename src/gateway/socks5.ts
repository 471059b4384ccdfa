// A client of SOCKS 5 (RFC 1928) with user name and password (RFC 1929).
import { isIP, type Socket } from "node:net";
import { OneCliError } from "../core/errors.ts";
import { type Authority, withoutBrackets } from "../core/hostname.ts";
import { type Login } from "../core/parentProxy.ts";

const version = 5;
const loginVersion = 1;
const connectCommand = 1;
const methods = { none: 0, login: 2, refused: 0xff } as const;
const addressTypes = { ipv4: 1, name: 3, ipv6: 4 } as const;

const replies: Readonly<Record<number, string>> = {
  1: "it failed",
  2: "it does not allow that",
  3: "it cannot reach the network of that host",
  4: "it cannot reach that host",
  5: "that host refused its connection",
  6: "that host is too far away",
  7: "it opens no connections for others",
  8: "it does not take this kind of address",
};

/**
 * Has a SOCKS proxy, at the other end of a connection, open one to a host, whose name it is given as it is.
 * @throws OneCliError `upstream-unreachable`
 */
export async function connectBySocks(
  connection: Socket,
  login: Login | undefined,
  authority: Authority,
): Promise<Socket> {
  const { host } = authority;
  await logIn(connection, login, host);
  connection.write(
    Buffer.from([
      version,
      connectCommand,
      0,
      ...address(authority),
      authority.port >> 8,
      authority.port & 0xff,
    ]),
  );
  const [spoken, reply = 0, , type] = await read(connection, 4, host);
  if (spoken !== version) {
    throw notSocks(host);
  }
  if (reply !== 0) {
    throw failure(`refused ${host}: ${replies[reply] ?? `its reason has the number ${reply}`}`);
  }
  // Where it was connected from is of no interest, but has to be read away.
  await read(connection, (await addressLength(connection, type, host)) + 2, host);
  return connection;
}

async function logIn(connection: Socket, login: Login | undefined, host: string): Promise<void> {
  const offered = login === undefined ? [methods.none] : [methods.none, methods.login];
  connection.write(Buffer.from([version, offered.length, ...offered]));
  const [spoken, method] = await read(connection, 2, host);
  if (spoken !== version) {
    throw notSocks(host);
  }
  if (method === methods.none) {
    return;
  }
  if (login === undefined && (method === methods.refused || method === methods.login)) {
    throw failure("wants a login, so put user:password@ before the host in the proxy's URL");
  }
  if (login === undefined || method !== methods.login) {
    throw failure("wants a login of another kind than user name and password");
  }
  connection.write(Buffer.from([loginVersion, ...withLength(login.username), ...withLength(login.password)]));
  const [, status] = await read(connection, 2, host);
  if (status !== 0) {
    throw failure("does not accept the user name and password that it is given");
  }
}

function address({ host }: Authority): number[] {
  const bare = withoutBrackets(host);
  switch (isIP(bare)) {
    case 4:
      return [addressTypes.ipv4, ...bare.split(".").map(Number)];
    case 6:
      return [addressTypes.ipv6, ...ipv6Bytes(bare)];
    default:
      return [addressTypes.name, ...withLength(bare)];
  }
}

/** @param text in canonical form, as URLs write it: `::` at most once, no IPv4 part. */
function ipv6Bytes(text: string): number[] {
  const [head = [], tail = []] = text.split("::").map((half) => (half === "" ? [] : half.split(":")));
  const zeros = Array<string>(8 - head.length - tail.length).fill("0");
  return [...head, ...zeros, ...tail].flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

function withLength(text: string): number[] {
  const bytes = Buffer.from(text);
  return [bytes.length, ...bytes];
}

async function addressLength(connection: Socket, type: number | undefined, host: string): Promise<number> {
  switch (type) {
    case addressTypes.ipv4:
      return 4;
    case addressTypes.ipv6:
      return 16;
    case addressTypes.name:
      return (await read(connection, 1, host))[0] ?? 0;
    default:
      throw notSocks(host);
  }
}

/** So many bytes and not one more: what follows is the host's, and stays in the socket. */
function read(socket: Socket, count: number, host: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      socket.off("readable", take).off("end", close).off("close", close).off("error", fail);
      act();
    };
    const take = () => {
      const bytes = socket.read(count) as Buffer | null;
      // At the end of a stream, what is left comes though it is less.
      if (bytes?.length === count) {
        settle(() => resolve(bytes));
      }
    };
    const fail = (cause?: Error) =>
      settle(() => reject(failure(`closed the connection when asked for ${host}`, cause)));
    const close = () => fail();
    if (socket.destroyed || socket.readableEnded) {
      fail();
      return;
    }
    socket.on("readable", take).on("end", close).on("close", close).on("error", fail);
    take();
  });
}

function notSocks(host: string): OneCliError {
  return failure(`gave an answer that is no SOCKS 5 when asked for ${host}: is it one, and of this kind?`);
}

function failure(what: string, cause?: unknown): OneCliError {
  return new OneCliError("upstream-unreachable", `The parent proxy ${what}.`, { cause });
}
