reach before.yaml --identity services:acme/service/ingest
