check check.yaml
