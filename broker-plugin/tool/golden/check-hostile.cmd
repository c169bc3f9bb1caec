check hostile.yaml
