check closed.yaml
