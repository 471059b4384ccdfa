export interface PageParts {
  /** Of the built files, as the page may load them. */
  readonly script: string;
  readonly style: string;
  /** What VS Code names as the source of the page's own files. */
  readonly cspSource: string;
  readonly nonce: string;
  /** BCP 47. */
  readonly language: string;
}

/** The dashboard's page. Nothing may run or load but the two files; styles of components are adopted, not inline. */
export function dashboardHtml({ script, style, cspSource, nonce, language }: PageParts): string {
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${cspSource}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  return `<!DOCTYPE html>
<html lang="${attribute(language)}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${attribute(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>OneCLI</title>
<link rel="stylesheet" href="${attribute(style)}">
</head>
<body>
<onecli-dashboard></onecli-dashboard>
<script nonce="${nonce}" src="${attribute(script)}"></script>
</body>
</html>
`;
}

function attribute(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}
