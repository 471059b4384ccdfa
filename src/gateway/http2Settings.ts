// Limits of HTTP/2 connections, the same towards clients and upstreams.
import { maxHeaderBytes } from "./requestParsing.ts";

/** Bytes that may be under way on one stream; a client or upstream that stalls makes us keep no more than this. */
export const streamWindow = 256 * 1024;

/** Bytes that may be under way on one connection: room for many stalled streams beside one that moves. */
export const connectionWindow = 16 * 1024 * 1024;

/** Of a header block, as HTTP/2 counts it: 32 bytes beside each field's own (RFC 9113 §6.5.2). */
export const maxFieldBytes = 4 * maxHeaderBytes;

/** As many as go into an HTTP/1.1 header block of the same limit: `a:\r\n` is a field. */
export const maxFields = maxHeaderBytes / 4;
