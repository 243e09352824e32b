# A static binary in an empty image. RELEASE and COMMIT are what `sidecar version`
# says: docker build --build-arg RELEASE=v1.2.3 --build-arg COMMIT=$(git rev-parse HEAD) .
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY cmd cmd
COPY pkg pkg
COPY testbroker testbroker
ARG RELEASE=dev
ARG COMMIT=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.release=${RELEASE} -X main.commit=${COMMIT}" -o /sidecar ./cmd/sidecar

FROM scratch
# For brokers whose certificate a public CA has signed.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /sidecar /sidecar
USER 65532:65532
ENTRYPOINT ["/sidecar"]
CMD ["run", "--config", "/etc/sidecar/config.yaml"]
