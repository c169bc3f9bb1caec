check closed.yaml --format json
