check before.yaml
