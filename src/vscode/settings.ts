import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import * as vscode from "vscode";
import * as z from "zod";
import { assertNotItself, ParentProxyError, parseParentProxy } from "../core/parentProxy.ts";
import type { StartOptions } from "../shared/gatewayProtocol.ts";
import { ofCore, type Phrase, PhraseError, t } from "./phrase.ts";

const section = "onecli";

/** What the gateway is started with. */
const gatewaySettings = [
  "onecli.gateway.url",
  "onecli.parentProxy",
  "onecli.noProxy",
  "onecli.extraCaCertificates",
  "onecli.api",
  "http.proxy",
  "http.proxyAuthorization",
  "http.noProxy",
];

const settingsSchema = z.object({
  terminals: z.enum(["all", "profileOnly", "off"]).catch("all"),
  /** Of the API of the team's gateway; empty: this window has a gateway of its own. */
  gatewayUrl: z
    .string()
    .catch("")
    .transform((text) => text.trim().replace(/\/$/, "")),
  parentProxy: z
    .string()
    .catch("")
    .transform((text) => text.trim()),
  noProxy: z.array(z.string()).catch([]),
  extraCaCertificates: z.array(z.string()).catch([]),
  /** VS Code's own, for what is not set here. */
  http: z.object({
    proxy: z
      .string()
      .catch("")
      .transform((text) => text.trim()),
    proxyAuthorization: z.string().catch(""),
    noProxy: z.array(z.string()).catch([]),
  }),
  apiEnabled: z.boolean().catch(false),
  /** 0: any, the same over reloads. */
  apiPort: z.int().min(0).max(65_535).catch(0),
});

export type Settings = z.infer<typeof settingsSchema>;

export function readSettings(): Settings {
  const configuration = vscode.workspace.getConfiguration(section);
  const http = vscode.workspace.getConfiguration("http");
  return settingsSchema.parse({
    terminals: configuration.get("terminals"),
    gatewayUrl: configuration.get("gateway.url"),
    parentProxy: configuration.get("parentProxy"),
    noProxy: configuration.get("noProxy"),
    extraCaCertificates: configuration.get("extraCaCertificates"),
    http: {
      proxy: http.get("proxy"),
      proxyAuthorization: http.get("proxyAuthorization"),
      noProxy: http.get("noProxy"),
    },
    apiEnabled: configuration.get("api.enabled"),
    apiPort: configuration.get("api.port"),
  });
}

/** The settings, read once for each change: every batch of activity asks for them. */
export class CurrentSettings implements vscode.Disposable {
  #settings: Settings | undefined;
  readonly #subscription = vscode.workspace.onDidChangeConfiguration(() => {
    this.#settings = undefined;
  });

  readonly read = (): Settings => (this.#settings ??= readSettings());

  dispose(): void {
    this.#subscription.dispose();
  }
}

/** Calls `listener` when settings change on which the gateway depends, or the ones of terminals. */
export function onDidChangeSettings(listener: (change: { gateway: boolean }) => void): vscode.Disposable {
  return vscode.workspace.onDidChangeConfiguration((event) => {
    const gateway = gatewaySettings.some((name) => event.affectsConfiguration(name));
    if (gateway || event.affectsConfiguration(section)) {
      listener({ gateway });
    }
  });
}

/** A setting that cannot be used. */
export class SettingError extends PhraseError {
  override readonly name = "SettingError";
  readonly setting: string;

  /** @param phrase what is wrong with it, without its value where that may hold a password. */
  constructor(setting: string, phrase: Phrase) {
    super(phrase);
    this.setting = setting;
  }
}

type ParentOptions = Pick<
  StartOptions,
  "parentProxy" | "parentProxyAuthorization" | "parentProxySetting" | "noProxy"
>;

/**
 * The parent proxy by the settings, VS Code's own after ours; none where the environment has the word.
 * @param ownPort of the gateway, which cannot be its own parent.
 * @throws SettingError
 */
export function parentOptions({ parentProxy, noProxy, http }: Settings, ownPort: number): ParentOptions {
  const exceptions = { noProxy: [...noProxy, ...http.noProxy] };
  if (parentProxy !== "") {
    return { ...exceptions, ...checked("onecli.parentProxy", parentProxy, "", ownPort) };
  }
  return http.proxy === ""
    ? exceptions
    : { ...exceptions, ...checked("http.proxy", http.proxy, http.proxyAuthorization, ownPort) };
}

function checked(setting: string, text: string, authorization: string, ownPort: number): ParentOptions {
  const given = authorization === "" ? undefined : authorization;
  try {
    assertNotItself(parseParentProxy(text, given), ownPort);
  } catch (error) {
    throw error instanceof ParentProxyError
      ? new SettingError(setting, t("{0} {1}.", setting, ofCore(error.message)))
      : error;
  }
  return {
    parentProxy: text,
    parentProxySetting: setting,
    ...(given !== undefined && { parentProxyAuthorization: given }),
  };
}

/** The certificates in the files that the setting names, PEM. @throws SettingError that names the file. */
export async function readExtraCertificates({ extraCaCertificates }: Settings): Promise<string[]> {
  return Promise.all(
    extraCaCertificates.map(async (file) => {
      try {
        const text = await readFile(file, "utf8");
        // Reads the first certificate of the file: a key, or another file, does not pass.
        return new X509Certificate(text).toString() && text;
      } catch {
        throw new SettingError(
          "onecli.extraCaCertificates",
          t(
            "onecli.extraCaCertificates names {0}, which is no readable file with a certificate in PEM form.",
            file,
          ),
        );
      }
    }),
  );
}
