reach before.yaml
