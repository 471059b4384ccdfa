# onecli-gateway, to be run by any user on a read-only root file system: /var/lib/onecli is all that is written to.
FROM node:24-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY esbuild.mjs LICENSE ./
COPY src ./src
RUN node esbuild.mjs --minify --gateway && mkdir /state

FROM gcr.io/distroless/nodejs24-debian12:nonroot
WORKDIR /app
COPY --from=build /src/dist/gateway.js /src/dist/gateway.js.LEGAL.txt /src/dist/core_bg.wasm /src/LICENSE ./
COPY --from=build --chown=65532:65532 /state /var/lib/onecli
ENV NODE_ENV=production
ENV XDG_STATE_HOME=/var/lib/onecli
VOLUME ["/var/lib/onecli"]
EXPOSE 8080 8081
USER 65532:65532
ENTRYPOINT ["/nodejs/bin/node", "/app/gateway.js"]
CMD ["serve", "--config", "/etc/onecli/onecli.json"]
