explain before.yaml --identity services:acme/service/nobody
