# The gate as a container: Node comes from the base image, so the package's own Node is left out; nothing runs as root.
#
#   docker build -t ecluse .
#   docker run --read-only --tmpfs /tmp -v ecluse-state:/var/lib/ecluse -v ./ecluse.yaml:/etc/ecluse/ecluse.yaml:ro -p 8080:8080 ecluse
#
# The state folder is the only place it writes to. Its owner is uid 1000, `node` in the base image. Commands run by
# `docker exec` reach the running gate through the socket in that folder: docker exec <name> ecluse permission list

FROM node:26.10.0-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# With its optional packages: the compiler's binary for this platform is one of them.
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build

FROM node:26.10.0-bookworm-slim AS packages
WORKDIR /opt/ecluse
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional

FROM node:26.10.0-bookworm-slim
ENV NODE_ENV=production \
    ECLUSE_CONFIG=/etc/ecluse/ecluse.yaml
WORKDIR /opt/ecluse
COPY --from=packages /opt/ecluse/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY package.json LICENSE ./
COPY bin ./bin
COPY config ./config
RUN ln -s /opt/ecluse/bin/ecluse.js /usr/local/bin/ecluse \
 && install -d -o node -g node -m 0700 /var/lib/ecluse
USER node
VOLUME /var/lib/ecluse
# Where the settings have a listener for operators, publish its port (9443) apart, to where operators are.
EXPOSE 8080
STOPSIGNAL SIGTERM
# The ops listener is on loopback inside the container; ECLUSE_HEALTH_URL tells where, if the settings moved it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(process.env.ECLUSE_HEALTH_URL ?? 'http://127.0.0.1:9090/livez').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/opt/ecluse/bin/ecluse.js"]
CMD ["serve"]
