import assert from "node:assert/strict";
import { Validator } from "@seriousme/openapi-schema-validator";
import { endpoints } from "../../src/api/endpoints.ts";
import { type Management } from "../../src/shared/management.ts";
import { ApiSuite } from "./suite.ts";

describe("management API: its OpenAPI document", () => {
  const suite = ApiSuite.use();

  it("is valid OpenAPI 3.1, as it is served", async () => {
    const { api } = await suite.serve();
    const validator = new Validator();
    const result = await validator.validate(structuredClone(api.document));
    assert.deepEqual(result, { valid: true });
    assert.equal(validator.version, "3.1");
  });

  it("describes every endpoint, with a summary and its errors", async () => {
    const { api } = await suite.serve();
    const described = Object.entries(api.document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const table = endpoints({} as Management).map(({ method, path }) => `${method} ${path}`);
    assert.deepEqual(described.sort(), table.toSorted());
    for (const methods of Object.values(api.document.paths)) {
      for (const { summary, responses } of Object.values(methods)) {
        assert.ok(String(summary).length > 10);
        assert.ok(responses["403"] && responses["500"]);
      }
    }
  });
});
