diff before.yaml after.yaml
