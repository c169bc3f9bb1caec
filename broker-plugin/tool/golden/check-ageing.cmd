check ageing.yaml
