# SyncWell: one binary on an image without a shell, run by a user who is not root.
FROM rust:1.95.0-bookworm AS build
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target \
    # Kernels for ARM have pages of up to 64 KiB; the allocator is built for one size.
    if [ "$(uname -m)" = aarch64 ]; then export JEMALLOC_SYS_WITH_LG_PAGE=16; fi \
    && cargo build --release --locked --package topology \
    && strip --strip-debug -o /syncwell target/release/syncwell \
    && mkdir /data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /syncwell /usr/local/bin/syncwell
COPY --from=build --chown=nonroot:nonroot /data /data
USER nonroot
EXPOSE 8080
ENTRYPOINT ["syncwell"]
CMD ["up"]
