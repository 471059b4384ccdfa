// Required by mocha before the tests: from then on their gateways take TLS from clients, and the clients speak it.
import { throughTls } from "./proxyTls.ts";

process.env[throughTls] = "1";
