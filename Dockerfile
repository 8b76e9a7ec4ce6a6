# Two stages: the first installs the production dependencies (which include the Node that the project brings), the second
# holds nothing else. The process is not root, and needs no shell.
FROM node:26-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The image has its own Node; the optional packages that would bring another are left out.
RUN npm ci --omit=dev --omit=optional

FROM node:26-slim
ENV NODE_ENV=production \
    LLM_GATEWAY_HOST=0.0.0.0 \
    LLM_GATEWAY_PORT=8080 \
    LLM_GATEWAY_ENVIRONMENT=production \
    LLM_GATEWAY_DATA_DIR=/data
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY package.json ./
COPY gen ./gen
COPY config ./config
COPY src ./src
RUN install -d -o node -g node -m 700 /data
VOLUME /data
USER node
EXPOSE 8080
# Whether there is TLS may be said by a file that is mounted: one is tried after the other.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["node", "-e", "const ask = ([kind, ...others]) => kind === undefined ? process.exit(1) : require(kind).get({ port: process.env.LLM_GATEWAY_PORT, path: '/health/live', rejectUnauthorized: false }, (r) => r.statusCode === 200 ? process.exit(0) : ask(others)).on('error', () => ask(others)); ask(['http', 'https'])"]
STOPSIGNAL SIGTERM
CMD ["node", "--max-semi-space-size=32", "--no-memory-reducer", "--heap-growing-percent=100", "src/main.ts"]
