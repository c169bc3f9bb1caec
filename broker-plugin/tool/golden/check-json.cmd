check check.yaml --format json
