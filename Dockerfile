# One static binary and the CA certificates, nothing else.
#
# Where an engine runs: docker build . (also with --platform linux/arm64, or with podman or buildah).
# `make image` puts a folder in place of the first stage.
FROM --platform=$BUILDPLATFORM rust:1.95.0-bookworm AS build
ARG TARGETARCH
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates clang llvm
WORKDIR /source
COPY . .
RUN release/rootfs "$TARGETARCH" /rootfs

FROM scratch
ARG VERSION
LABEL org.opencontainers.image.title="milvus-refresh-operator" \
      org.opencontainers.image.description="Refreshes Milvus external collections from Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
COPY --from=build /rootfs /
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/milvus-refresh-operator"]
CMD ["run"]
