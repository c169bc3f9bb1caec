check grace.yaml
