# walwire in a small image: `docker build -t walwire .`, then
# `docker run --rm -v ./worker.properties:/etc/walwire/worker.properties:ro -v walwire:/var/lib/walwire -p 127.0.0.1:8083:8083 walwire`
# with listeners=http://0.0.0.0:8083 in that file (a container's loopback is its own) and files for positions in the volume, if any.
FROM debian:12-slim AS build
WORKDIR /src
COPY tools/install tools/install
RUN tools/install build && rm -rf /var/lib/apt/lists/*
COPY . .
RUN meson setup /out -Dtests=false --buildtype=release --prefix=/usr/local \
    && ninja -C /out \
    && DESTDIR=/image meson install -C /out --quiet --strip

FROM debian:12-slim
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends ca-certificates libpq5 librdkafka1 libwebsockets17 libjson-c5 \
       libpcre2-8-0 libcurl4 libssl3 zlib1g libmimalloc2.0 libev4 libwebsockets-evlib-ev \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/walwire --create-home walwire
COPY --from=build /image/usr/local /usr/local
USER walwire
WORKDIR /var/lib/walwire
VOLUME /var/lib/walwire
EXPOSE 8000 8083
ENTRYPOINT ["walwire"]
CMD ["serve", "/etc/walwire/worker.properties"]
