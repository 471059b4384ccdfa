// The dashboard's page: shows what the host says, and says what the person wants.
import "@vscode-elements/elements/dist/vscode-badge/index.js";
import "@vscode-elements/elements/dist/vscode-button/index.js";
import "./dashboard.css";
import "./dashboard.ts";
