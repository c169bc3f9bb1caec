check check.yaml --strict
